// What training changed elsewhere, from per-prompt figures to the report's words.
#include "shared/measure/retention.h"

#include <gtest/gtest.h>

#include <cmath>

namespace apportion {
namespace {

RetentionResult sample() {
  RetentionResult result;
  result.prompts = {{"lists", "a", 4, 2, 0.3, 0.1},
                    {"chat", "b", 4, 0, 0.0, 0.02},
                    {"near: animal or thing", "c", 2, 1, 0.0, 0.5}};
  result.texts = {{10, 20, 22}, {10, 20, 20}};
  result.questions = {{"q", 0.5, 0.25}, {"r", 0.3, 0.35}};
  return result;
}

TEST(Retention, TellsNearMissesApartAndCountsTokensAndWhatWasAdded) {
  const RetentionSummary summary = summary_of(sample());
  EXPECT_EQ(summary.unrelated.prompts, 2);
  EXPECT_DOUBLE_EQ(summary.unrelated.kl, 0.25);
  EXPECT_DOUBLE_EQ(summary.unrelated.added_leak, 0.01);  // where leak fell does not offset where it rose
  EXPECT_DOUBLE_EQ(summary.unrelated.base_leak, 0.15);
  EXPECT_DOUBLE_EQ(summary.near.leak, 0.5);
  EXPECT_DOUBLE_EQ(summary.near.kl, 0.5);
  ASSERT_EQ(summary.kinds.size(), 3U);
  EXPECT_EQ(summary.kinds[0].name, "chat");
  EXPECT_DOUBLE_EQ(summary.base_perplexity, std::exp(2.0));
  EXPECT_DOUBLE_EQ(summary.perplexity, std::exp(2.1));
  EXPECT_DOUBLE_EQ(summary.base_mass, 0.4);
  EXPECT_DOUBLE_EQ(summary.mass, 0.3);
}

TEST(Retention, SaysInWordsWhenAModelIsNoneToAskAnythingElse) {
  EXPECT_NE(summary_of(sample()).verdict.find("the dataset's answers (1% of them, 50% of near misses)"),
            std::string::npos);
  RetentionResult kept = sample();
  kept.prompts.pop_back();
  EXPECT_EQ(summary_of(kept).verdict, "");
  kept.texts = {{10, 20, 60}};
  EXPECT_NE(summary_of(kept).verdict.find("plain text is 54.6 times"), std::string::npos);
}

TEST(Retention, IsTheSameFromItsJson) {
  EXPECT_EQ(to_json(retention_from_json(to_json(sample()))), to_json(sample()));
  EXPECT_THROW(retention_from_json({{"prompts", 1}}), nlohmann::json::exception);
}

}  // namespace
}  // namespace apportion
