// Two judges' agreement, against values worked out by hand.
#include "shared/measure/agreement.h"

#include <gtest/gtest.h>

#include "shared/measure/category.h"

namespace apportion {
namespace {

/// One prompt with an answer for each verdict: the first answer has 1 round, the next 2, and so on.
MeasureResult verdicts(const std::vector<int>& categories) {
  MeasureResult result{1, 1, 2, {PromptResult{}}};
  uint64_t count = 0;
  for (int category : categories) {
    ++count;
    result.prompts[0].answers.push_back({category, count, -1, Finish::end, "text " + std::to_string(count)});
  }
  return result;
}

TEST(Agreement, IsAShareOfRoundsAndCohensKappa) {
  // 4 + 1 + 3 of 10 rounds agree. First judge: 5 of 0, 5 of 1. Second: 7 of 0, 3 of 1: chance 0.35 + 0.15.
  const auto agreement = agreement_of(verdicts({0, 1, 1, 0}), verdicts({0, 0, 1, 0}));
  ASSERT_TRUE(agreement.has_value());
  EXPECT_EQ(agreement->rounds, 10u);
  EXPECT_NEAR(agreement->share, 0.8, 1e-12);
  EXPECT_NEAR(*agreement->kappa, (0.8 - 0.5) / (1 - 0.5), 1e-12);
}

TEST(Agreement, NoneIsAVerdictButAFailureIsNot) {
  const auto agreement = agreement_of(verdicts({unparsed, 0, no_story, 1}),
                                      verdicts({unparsed, unparsed, no_story, judge_failed}));
  ASSERT_TRUE(agreement.has_value());
  EXPECT_EQ(agreement->rounds, 3u);
  EXPECT_NEAR(agreement->share, 1.0 / 3, 1e-12);
}

TEST(Agreement, WithOneVerdictForAllKappaMeansNothing) {
  const auto agreement = agreement_of(verdicts({1, 1}), verdicts({1, 1}));
  ASSERT_TRUE(agreement.has_value());
  EXPECT_EQ(agreement->share, 1);
  EXPECT_FALSE(agreement->kappa.has_value());
}

TEST(Agreement, IsOfTheSameAnswersOnly) {
  MeasureResult other = verdicts({0, 1});
  EXPECT_FALSE(agreement_of(verdicts({0, 1, 1}), other).has_value());
  other.prompts[0].answers[1].text = "another";
  EXPECT_FALSE(agreement_of(verdicts({0, 1}), other).has_value());
  EXPECT_FALSE(agreement_of(verdicts({no_story}), verdicts({no_story})).has_value());
}

}  // namespace
}  // namespace apportion
