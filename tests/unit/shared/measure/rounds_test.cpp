// Tree rounds are distributed like independent rounds: a chi-square test over many seeds, shown to fail on
// wrong splits.
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

/// Chi-square of one seed's leaf counts, in a tree of depth two, against rounds * probability.
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

/// How many standard errors the mean chi-square over seeds is from its degrees of freedom.
double deviation(const Split& split, uint64_t rounds = 400) {
  constexpr int seeds = 4000;
  constexpr double freedom = 10 - 1;  // leaves with probability, less one
  double sum = 0;
  for (uint64_t seed = 0; seed < seeds; ++seed) sum += chi_square(seed, rounds, split);
  return (sum / seeds - freedom) / std::sqrt(2 * freedom / seeds);
}

SplitCounts ours(uint64_t count, const std::vector<float>& p, CounterRng rng) {
  return split_rounds(count, p.data(), static_cast<int64_t>(p.size()), rng);
}

TEST(Rounds, AreDistributedAsIndependentOnes) { EXPECT_LT(std::abs(deviation(ours)), 4.5); }

TEST(Rounds, AreDistributedAsIndependentOnesWhereTheyAreHalved) {
  const uint64_t halved = 20 * most_single_draws;
  EXPECT_LT(std::abs(deviation(ours, halved)), 4.5);
  auto off = [](uint64_t count, std::vector<float> p, CounterRng rng) {
    p[0] *= 1.02F;
    return ours(count, p, rng);
  };
  EXPECT_GT(deviation(off, halved), 4.5) << "the test notices probabilities that are slightly off";
}

TEST(Rounds, HalvingGivesRareTokensTheirShare) {
  // Two thousand tokens, many of which get no round, one or a few.
  std::vector<float> p(2000);
  for (size_t t = 0; t < p.size(); ++t) p[t] = t == 7 ? 0.9F : 1e-4F * static_cast<float>(t % 2);
  uint64_t all = 0, once = 0;
  constexpr int seeds = 50;
  for (uint64_t seed = 0; seed < seeds; ++seed) {
    uint64_t sum = 0;
    for (const auto& [token, count] : ours(5000, p, CounterRng(seed, "rare")).count_of_token) {
      EXPECT_GT(p[static_cast<size_t>(token)], 0);
      sum += count;
      once += count == 1 ? 1 : 0;
    }
    all += sum;
  }
  EXPECT_EQ(all, 5000U * seeds);
  // A rare token's count is Poisson with mean 5000 * 1e-4 / 0.9999.
  const double mean = 0.50005, expected = seeds * 999 * mean * std::exp(-mean);
  EXPECT_NEAR(static_cast<double>(once), expected, 5 * std::sqrt(expected));
}

TEST(Rounds, TenMillionAreSplitWithoutOneDrawEach) {
  std::vector<float> p(50000, 1e-9F);
  p[3] = 0.75F;
  p[40000] = 0.25F;
  const double sum = 1 + 49998e-9;
  SplitCounts split = ours(10'000'000, p, CounterRng(11, "many"));
  uint64_t all = 0;
  for (const auto& [token, count] : split.count_of_token) all += count;
  EXPECT_EQ(all, 10'000'000U);
  EXPECT_NEAR(static_cast<double>(split.count_of_token[3]), 7.5e6 / sum, 5 * std::sqrt(1e7 * 0.75 * 0.25));
  EXPECT_LT(split.count_of_token.size(), 600U) << "about 500 rounds are given to the rest";
}

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
