// Philox against Random123's known answers (kat_vectors), and streams against the distributions they promise.
// Seeds are fixed, so a test always passes or never does; a correct generator would exceed the bounds with a
// probability of 10^-6.
#include "shared/base/counter_rng.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "shared/base/error.h"

namespace apportion {
namespace {

using Words = std::array<uint32_t, 4>;

TEST(CounterRng, PhiloxKnownAnswers) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  uint32_t ones = 0xffffffff;
  EXPECT_EQ(philox({ones, ones, ones, ones}, {ones, ones}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(CounterRng, StreamIsAFunctionOfSeedAndPurpose) {
  CounterRng first(7, "rounds"), second(7, "rounds"), other_seed(8, "rounds"), other_purpose(7, "order");
  int same_seed = 0, same_purpose = 0;
  for (int i = 0; i < 100; ++i) {
    uint64_t draw = first.below(1u << 20);
    EXPECT_EQ(draw, second.below(1u << 20));
    same_seed += draw == other_seed.below(1u << 20);
    same_purpose += draw == other_purpose.below(1u << 20);
  }
  EXPECT_LT(same_seed, 3);
  EXPECT_LT(same_purpose, 3);
}

TEST(CounterRng, SeedAndPurposeDoNotRunTogether) {
  CounterRng first(1, "2"), second(12, "");
  EXPECT_NE(first.below(UINT64_MAX), second.below(UINT64_MAX));
}

TEST(CounterRng, RowsAreAFunctionOfStreamAndRow) {
  CounterRng rng(7, "weights"), other(7, "other weights");
  std::vector<float> row(21), again(21), shorter(13), next(21), others(21);
  rng.fill_row(5, row, 0.5F);
  rng.uniform();
  rng.fill_row(5, again, 0.5F);
  rng.fill_row(5, shorter, 0.5F);
  rng.fill_row(6, next, 0.5F);
  other.fill_row(5, others, 0.5F);
  EXPECT_EQ(row, again);
  EXPECT_TRUE(std::equal(shorter.begin(), shorter.end(), row.begin()));
  EXPECT_NE(row, next);
  EXPECT_NE(row, others);
}

/// Pearson's statistic of `counts` against equal shares.
double chi_square(const std::vector<int>& counts, double expected) {
  double sum = 0;
  for (int count : counts) sum += (count - expected) * (count - expected) / expected;
  return sum;
}

TEST(CounterRng, BelowIsUniform) {
  CounterRng rng(3, "below");
  std::vector<int> counts(7);
  for (int i = 0; i < 70000; ++i) ++counts[rng.below(7)];
  EXPECT_LT(chi_square(counts, 10000), 39);  // 6 degrees of freedom, p = 10^-6
}

TEST(CounterRng, BelowHasNoBiasAtALargeBound) {
  // A plain remainder would make values below 2^62 twice as likely as the others: half of all draws instead
  // of a third.
  uint64_t bound = 3 * (uint64_t{1} << 62);
  CounterRng rng(4, "large bound");
  int low = 0;
  for (int i = 0; i < 30000; ++i) {
    uint64_t draw = rng.below(bound);
    ASSERT_LT(draw, bound);
    low += draw < (uint64_t{1} << 62);
  }
  EXPECT_NEAR(low, 10000, 400);  // 4.9 standard deviations
}

TEST(CounterRng, BelowOneIsZeroAndBelowZeroIsRefused) {
  CounterRng rng(5, "edge");
  EXPECT_EQ(rng.below(1), 0u);
  EXPECT_THROW(rng.below(0), InternalError);
}

TEST(CounterRng, UniformFillsTheUnitInterval) {
  CounterRng rng(6, "uniform");
  std::vector<int> counts(10);
  for (int i = 0; i < 100000; ++i) {
    double draw = rng.uniform();
    ASSERT_GE(draw, 0.0);
    ASSERT_LT(draw, 1.0);
    ++counts[static_cast<size_t>(draw * 10)];
  }
  EXPECT_LT(chi_square(counts, 10000), 45);  // 9 degrees of freedom, p = 10^-6
}

TEST(CounterRng, NormalHasItsMoments) {
  CounterRng rng(8, "normal");
  constexpr int draws = 100000;
  double sum = 0, squares = 0, fourths = 0;
  for (int i = 0; i < draws; ++i) {
    double draw = rng.normal();
    ASSERT_TRUE(std::isfinite(draw));
    sum += draw;
    squares += draw * draw;
    fourths += draw * draw * draw * draw;
  }
  EXPECT_NEAR(sum / draws, 0, 5 / std::sqrt(draws));
  EXPECT_NEAR(squares / draws, 1, 5 * std::sqrt(2.0 / draws));
  EXPECT_NEAR(fourths / draws, 3, 5 * std::sqrt(96.0 / draws));
}

}  // namespace
}  // namespace apportion
