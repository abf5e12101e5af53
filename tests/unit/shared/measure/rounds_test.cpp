// Tree rounds are distributed as independent rounds: a chi-square test over many seeds, seen to fail on wrong
// splits.
#include "shared/measure/rounds.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace apportion {
namespace {

using Split = std::function<SplitCounts(uint64_t, const std::vector<float>&, CounterRng)>;

const std::vector<float> root = {0.5F, 0.1F, 0.05F, 0.35F};
const std::vector<std::vector<float>> below = {
    {0.9F, 0.1F, 0, 0}, {0.25F, 0.25F, 0.25F, 0.25F}, {0, 1, 0, 0}, {0.4F, 0, 0.3F, 0.3F}};

/// Chi-square of one seed's leaf counts of a tree two deep against rounds * probability.
double chi_square(uint64_t seed, uint64_t rounds, const Split& split) {
  double sum = 0;
  SplitCounts first = split(rounds, root, CounterRng(seed, "root"));
  for (int32_t a = 0; a < 4; ++a) {
    const auto& leaf = below[static_cast<size_t>(a)];
    SplitCounts second = split(first.count_of_token[a], leaf, CounterRng(seed, "below " + std::to_string(a)));
    for (int32_t b = 0; b < 4; ++b) {
      const double expected =
          static_cast<double>(rounds) * root[static_cast<size_t>(a)] * leaf[static_cast<size_t>(b)];
      if (expected > 0)
        sum += std::pow(static_cast<double>(second.count_of_token[b]) - expected, 2) / expected;
    }
  }
  return sum;
}

/// How many standard errors the mean of the chi-square over seeds is away from its degrees of freedom.
double deviation(const Split& split) {
  constexpr int seeds = 4000;
  constexpr double freedom = 10 - 1;  // leaves with probability, less one
  double sum = 0;
  for (uint64_t seed = 0; seed < seeds; ++seed) sum += chi_square(seed, 400, split);
  return (sum / seeds - freedom) / std::sqrt(2 * freedom / seeds);
}

SplitCounts ours(uint64_t count, const std::vector<float>& p, CounterRng rng) {
  return split_rounds(count, p.data(), static_cast<int64_t>(p.size()), rng);
}

TEST(Rounds, AreDistributedAsIndependentOnes) { EXPECT_LT(std::abs(deviation(ours)), 4.5); }

TEST(Rounds, TheTestNoticesASplitByRounding) {
  auto rounded = [](uint64_t count, const std::vector<float>& p, CounterRng) {
    SplitCounts split;
    for (size_t t = 0; t < p.size(); ++t) {
      split.count_of_token[static_cast<int32_t>(t)] =
          static_cast<uint64_t>(std::lround(static_cast<double>(count) * p[t]));
    }
    return split;
  };
  EXPECT_LT(deviation(rounded), -4.5);
}

TEST(Rounds, TheTestNoticesProbabilitiesThatAreSlightlyOff) {
  auto off = [](uint64_t count, std::vector<float> p, CounterRng rng) {
    p[0] *= 1.2F;
    return ours(count, p, rng);
  };
  EXPECT_GT(deviation(off), 4.5);
}

TEST(Rounds, TheTestNoticesDrawsThatAreUsedTwice) {
  auto paired = [](uint64_t count, const std::vector<float>& p, CounterRng rng) {
    SplitCounts split = ours(count / 2, p, rng);
    for (auto& [token, tokens] : split.count_of_token) tokens *= 2;
    return split;
  };
  EXPECT_GT(deviation(paired), 4.5);
}

TEST(Rounds, KeepTheirNumberAndSkipTheImpossible) {
  const std::vector<float> p = {0, 0.25F, 0, 0.75F, 0};
  SplitCounts split = ours(1000, p, CounterRng(5, "x"));
  EXPECT_EQ(split.count_of_token.size(), 2U);
  EXPECT_EQ(split.count_of_token[1] + split.count_of_token[3], 1000U);
  EXPECT_TRUE(ours(0, p, CounterRng(5, "x")).count_of_token.empty());
}

}  // namespace
}  // namespace apportion
