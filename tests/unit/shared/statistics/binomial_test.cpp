// Binomial probabilities against sums and products done differently, and draws against the probabilities.
#include "shared/statistics/binomial.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace apportion {
namespace {

TEST(Binomial, ProbabilitiesAreThoseOfTheProduct) {
  for (uint64_t n : {1U, 2U, 15U, 16U, 40U, 200U}) {
    for (double p : {1e-6, 0.1, 0.5, 0.93}) {
      long double product = std::pow(static_cast<long double>(1) - static_cast<long double>(p), n);
      for (uint64_t k = 0; k <= n; ++k) {
        const double found = binomial_probability(k, n, p, 1 - p);
        EXPECT_NEAR(found, static_cast<double>(product), 1e-12 * static_cast<double>(product))
            << k << " of " << n;
        product *= static_cast<long double>(n - k) / static_cast<long double>(k + 1) *
                   static_cast<long double>(p) / (static_cast<long double>(1) - static_cast<long double>(p));
      }
    }
  }
}

TEST(Binomial, ProbabilitiesOfManyTrialsAddToOne) {
  const uint64_t n = 10'000'000;
  double sum = 0;
  for (uint64_t k = 3'000'000 - 20'000; k <= 3'000'000 + 20'000; ++k) {
    sum += binomial_probability(k, n, 3, 7);
  }
  EXPECT_NEAR(sum, 1, 1e-12);
}

TEST(Binomial, ADrawTakesEachOutcomeAsOftenAsItsProbabilitySays) {
  constexpr int steps = 100000;
  std::vector<int> found(13, 0);
  for (int i = 0; i < steps; ++i) {
    ++found[draw_binomial(12, 0.2, 0.6, 0, (i + 0.5) / steps).successes];
  }
  for (uint64_t k = 0; k <= 12; ++k) {
    EXPECT_NEAR(found[k], steps * binomial_probability(k, 12, 1, 3), 1.5) << k;
  }
}

TEST(Binomial, WhatIsSureIsNotDrawn) {
  EXPECT_EQ(draw_binomial(9, 0, 1, 1, 0.999).successes, 0U);
  EXPECT_EQ(draw_binomial(9, 1, 0, 1, 0.999).successes, 9U);
}

TEST(Binomial, ADrawThatAnotherRoundingWouldMoveIsSeen) {
  // With one trial at even odds, draws below a half give a hit (the mode).
  EXPECT_TRUE(draw_binomial(1, 1, 1, 1e-6, 0.5 - 5e-7).near_boundary);
  EXPECT_TRUE(draw_binomial(1, 1, 1, 1e-6, 0.5 + 5e-7).near_boundary);
  EXPECT_FALSE(draw_binomial(1, 1, 1, 1e-6, 0.49).near_boundary);
  // The more trials, the more a slightly wrong share matters.
  EXPECT_FALSE(draw_binomial(4, 1, 1, 1e-6, 0.3).near_boundary);
  EXPECT_TRUE(draw_binomial(10'000'000'000, 1, 1, 1e-3, 0.3).near_boundary);
}

}  // namespace
}  // namespace apportion
