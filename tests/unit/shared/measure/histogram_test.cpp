// How rounds are spread over wordings, and which answers are listed.
#include "shared/measure/histogram.h"

#include <gtest/gtest.h>

#include "shared/base/error.h"
#include "shared/measure/category.h"

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

TEST(Histogram, ASubjectOfTenThousandRoundsHasAllItsAnswersListed) {
  EXPECT_EQ(listed_per_wording(1), 10000U);
  EXPECT_EQ(listed_per_wording(6), 1667U) << "as many as the wording with most of the rounds has";
  EXPECT_THROW(listed_per_wording(0), InternalError);
}

TEST(Histogram, TheMostFrequentThenTheMostProbableStay) {
  PromptResult prompt;
  prompt.counts = {4, 1, 5, 0};
  prompt.no_story = 2;
  prompt.judge_failed = 3;
  prompt.answers = {{unparsed, 5, -1, Finish::cut, "a"},
                    {0, 4, -2, Finish::end, "b"},
                    {judge_failed, 3, -9, Finish::end, "c"},
                    {no_story, 1, -8, Finish::end, "d"},
                    {1, 1, -7, Finish::end, "e"},
                    {no_story, 1, -6, Finish::cut, "f"}};
  keep_most_frequent(prompt, 6, true);
  EXPECT_TRUE(prompt.unlisted.empty());
  keep_most_frequent(prompt, 4, true);
  ASSERT_EQ(prompt.answers.size(), 4U);
  EXPECT_EQ(prompt.answers[3].text, "f") << "the order is as it was";
  EXPECT_EQ(prompt.unlisted, (std::vector<uint64_t>{0, 1, 0, 0, 1, 0}));
  keep_most_frequent(prompt, 0, true);
  EXPECT_EQ(prompt.unlisted_answers, 6U);
  EXPECT_EQ(prompt.unlisted, (std::vector<uint64_t>{4, 1, 5, 0, 2, 3})) << "a story is never cut";
}

TEST(Histogram, WithoutStoriesCutAnswersHaveAColumnOfTheirOwn) {
  EXPECT_EQ(column_of({unparsed, 1, 0, Finish::cut, ""}, 2, false), 3U);
  EXPECT_EQ(column_of({unparsed, 1, 0, Finish::cut, ""}, 2, true), 2U);
  EXPECT_EQ(column_of({1, 1, 0, Finish::end, ""}, 2, false), 1U);
}

}  // namespace
}  // namespace apportion
