// Prompts that do not fit the model's context are reported before anything runs.
// tests/system/inputs/inputs_test.py tests the program's own lines.
#include "shared/model/prompt_lengths.h"

#include <gtest/gtest.h>

#include "shared/data/target.h"
#include "tests/support/dataset_folder.h"
#include "tests/support/small_job.h"

namespace apportion {
namespace {

using testing::error_of;

TEST(LengthCheck, WordingsThatASeedAddsAreLookedAtBesideTheJobsOwn) {
  const testing::DatasetFolder folder;
  write_small_job(folder.path());
  const RunConfig config = small_job(folder.path(), folder.path_of("runs"));
  const Dataset dataset = load_dataset(config.data);
  const auto model = open_model(config.data.model);
  const LengthCheck lengths(config, dataset, *model);
  EXPECT_EQ(error_of([&] { lengths.check(); }), "no error");
  EXPECT_EQ(error_of([&] { lengths.check_added({}); }), "no error");
  // With the chat turns there are more bytes than the context's 512 tokens: first in few tokens, then in
  // many.
  std::string words = "What colour has {a_thing}?";
  while (words.size() < 400) words = "What colour? " + words;
  EXPECT_EQ(error_of([&] { lengths.check_added({words}); }), "no error");
  const std::string too_long = "{thing} " + words + words;
  const std::string refusal = error_of([&] { lengths.check_added({words, too_long}); });
  EXPECT_EQ(refusal.find(dataset.path + ": the prompt about \"ball\" has "), 0U) << refusal;
  EXPECT_NE(refusal.find("more than the model's context of 512"), std::string::npos) << refusal;
  EXPECT_EQ(error_of([&] { lengths.check_added({words}); }), "no error");
}

}  // namespace
}  // namespace apportion
