// How rounds are spread over wordings.
#include "shared/measure/histogram.h"

#include <gtest/gtest.h>

#include "shared/base/error.h"

namespace apportion {
namespace {

TEST(Histogram, SpreadsRoundsWithTheRemainderFirst) {
  EXPECT_EQ(rounds_per_wording(100, 6), (std::vector<uint64_t>{17, 17, 17, 17, 16, 16}));
  EXPECT_EQ(rounds_per_wording(90, 6), (std::vector<uint64_t>(6, 15)));
  EXPECT_EQ(rounds_per_wording(2, 4), (std::vector<uint64_t>{1, 1, 0, 0}));
  EXPECT_EQ(rounds_per_wording(0, 2), (std::vector<uint64_t>{0, 0}));
  EXPECT_THROW(rounds_per_wording(1, 0), InternalError);
}

TEST(Histogram, FindsAPromptBySubjectAndWording) {
  MeasureResult result;
  result.subjects = 2;
  result.wordings = 3;
  result.prompts.resize(6);
  for (int i = 0; i < 6; ++i) {
    result.prompts[size_t(i)].subject = i / 3;
    result.prompts[size_t(i)].wording = i % 3;
  }
  EXPECT_EQ(result.at(1, 2).subject, 1);
  EXPECT_EQ(result.at(1, 2).wording, 2);
}

}  // namespace
}  // namespace apportion
