// The trees of a scaling study: as many tokens as requested, and no fewer than their prompts need.
#include "shared/model/study_tree.h"

#include <gtest/gtest.h>

#include <string>

#include "shared/base/error.h"

namespace apportion {
namespace {

ScaleConfig sizes(int tokens, int prompts, int branches) {
  ScaleConfig config;
  config.tokens = tokens;
  config.prompts = prompts;
  config.branches = branches;
  return config;
}

TEST(StudyTree, HasTheTokensThatWereAskedForOrAFewLess) {
  EXPECT_EQ(study_tree(sizes(800, 4, 4)).tokens(), 800);
  EXPECT_EQ(study_tree(sizes(803, 4, 4)).tokens(), 800);
  EXPECT_EQ(study_tree(sizes(41, 1, 1)).own_tokens, 2);
}

TEST(StudyTree, CountsPairsAndRows) {
  // 32 shared, 2 own, one answer of 7 nodes: a single path of 41 tokens.
  EXPECT_EQ(study_tree(sizes(41, 1, 1)).pairs(), 41 * 42 / 2);
  EXPECT_EQ(study_tree(sizes(41, 1, 1)).rows(), 8);
  // A second answer adds 7 tokens after 34.
  EXPECT_EQ(study_tree(sizes(48, 1, 2)).pairs(), 41 * 42 / 2 + 7 * 34 + 28);
}

TEST(StudyTree, SaysHowManyTokensAreNeeded) {
  try {
    study_tree(sizes(151, 4, 4));
    FAIL() << "too few tokens";
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find("at least 152"), std::string::npos) << error.what();
  }
  EXPECT_EQ(study_tree(sizes(152, 4, 4)).tokens(), 152);
}

TEST(StudyTree, WeakScalingHasAMicroBatchARankAndStrongTheJobs) {
  RunConfig config;
  config.batch.micro_batches = 6;
  EXPECT_EQ(study_micro_batches(config, Scaling::weak, 3), 3);
  EXPECT_EQ(study_micro_batches(config, Scaling::strong, 3), 6);
}

}  // namespace
}  // namespace apportion
