// A prompt worded in several ways gives one result, whose rounds are those of its parts.
#include "worker/sample/mixture.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

namespace apportion {
namespace {

MeasurePrompt prompt(uint64_t rounds) { return {1, 2, {}, {7, 8}, rounds, "key\n"}; }

PromptResult part(uint64_t first, uint64_t second, double low, double unexplored) {
  PromptResult result;
  result.subject = 1;
  result.wording = 2;
  result.counts = {first, second, 0, 1};
  result.steering = {low, 0};
  result.low = {low, 0.25};
  result.unexplored = unexplored;
  result.draws_near_boundary = 1;
  result.answers = {{0, first, -0.5, Finish::end, "Male"}};
  return result;
}

TEST(Mixture, OnePartIsThePromptItself) {
  const auto parts = split_prompt(prompt(9), {1}, {{1, 2, 3}}, 5);
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(parts[0].rounds, 9U);
  EXPECT_EQ(parts[0].draw_key, "key\n");
  EXPECT_EQ(parts[0].tokens, (std::vector<int32_t>{1, 2, 3}));
  EXPECT_EQ(mix_results({part(3, 4, 0.5, 0.1)}, {1}).answers[0].log_prob, -0.5);
}

TEST(Mixture, RoundsAreDrawnFromTheShares) {
  const auto parts = split_prompt(prompt(100000), {0.2, 0.8}, {{1}, {2}}, 5);
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(parts[0].rounds + parts[1].rounds, 100000U);
  EXPECT_NEAR(static_cast<double>(parts[0].rounds), 20000, 5 * std::sqrt(100000 * 0.16));
  EXPECT_NE(parts[0].draw_key, parts[1].draw_key);
  EXPECT_EQ(parts[1].steering_tokens, (std::vector<int32_t>{7, 8}));
  EXPECT_NE(split_prompt(prompt(100000), {0.2, 0.8}, {{1}, {2}}, 6)[0].rounds, parts[0].rounds);
}

TEST(Mixture, SharesAreWeightedAndCountsAdded) {
  const PromptResult mixed = mix_results({part(3, 4, 0.5, 0.1), part(10, 0, 0.75, 0.2)}, {0.25, 0.75});
  EXPECT_EQ(mixed.subject, 1);
  EXPECT_EQ(mixed.wording, 2);
  EXPECT_EQ(mixed.counts, (std::vector<uint64_t>{13, 4, 0, 2}));
  EXPECT_DOUBLE_EQ(mixed.low[0], 0.25 * 0.5 + 0.75 * 0.75);
  EXPECT_DOUBLE_EQ(mixed.steering[0], 0.25 * 0.5 + 0.75 * 0.75);
  EXPECT_DOUBLE_EQ(mixed.low[1], 0.25);
  EXPECT_DOUBLE_EQ(mixed.unexplored, 0.175);
  EXPECT_EQ(mixed.draws_near_boundary, 2U);
  ASSERT_EQ(mixed.answers.size(), 2U);
  EXPECT_EQ(mixed.answers[0].count, 10U);
  EXPECT_DOUBLE_EQ(mixed.answers[0].log_prob, -0.5 + std::log(0.75));
}

}  // namespace
}  // namespace apportion
