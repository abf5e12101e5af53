// The test of a target against sums done differently, and how often it rejects a perfect sampler.
#include "shared/statistics/target_test.h"

#include <gtest/gtest.h>

#include <cmath>

#include "shared/base/counter_rng.h"
#include "shared/base/error.h"
#include "shared/statistics/binomial.h"

namespace apportion {
namespace {

TEST(TargetTest, IsTheSumOverLessProbableOutcomes) {
  // In ten tosses 0, 1, 9 and 10 heads are less probable than 2, and 8 is as probable: (22 + 90 / 2) / 1024.
  EXPECT_NEAR(target_p_value({2, 8}, {0.5, 0.5}), 67.0 / 1024, 1e-12);
  EXPECT_NEAR(target_p_value({5, 5}, {0.5, 0.5}), 1 - 252.0 / 2 / 1024, 1e-12);
  // Two draws over three categories: of the six outcomes (2, 0, 0) has 0.25, (0, 2, 0) and (0, 1, 1) have
  // 0.0625 and 0.125.
  EXPECT_NEAR(target_p_value({0, 2, 0}, {0.5, 0.25, 0.25}), 0.0625, 1e-12);
  EXPECT_NEAR(target_p_value({0, 1, 1}, {0.5, 0.25, 0.25}), 0.125 + 0.0625, 1e-12);
}

TEST(TargetTest, WhatCannotBeDrawnIsNoDraw) {
  EXPECT_EQ(target_p_value({5, 1}, {1, 0}), 0);
  EXPECT_EQ(target_p_value({5, 0}, {1, 0}), 1);
  EXPECT_NEAR(target_p_value({2, 8, 0}, {0.5, 0.5, 0}), 67.0 / 1024, 1e-12);
  EXPECT_THROW(target_p_value({0, 0}, {0.5, 0.5}), InternalError);
}

TEST(TargetTest, OfAMillionRoundsItIsTheNormalOnes) {
  // 1.96 standard deviations off.
  EXPECT_NEAR(target_p_value({500'980, 499'020}, {0.5, 0.5}), 0.05, 1e-4);
  EXPECT_NEAR(target_p_value({300'898, 699'102}, {0.3, 0.7}), 0.05, 5e-4);
  EXPECT_EQ(target_p_value({900'000, 100'000}, {0.5, 0.5}), 0);
}

std::vector<double> random_target(size_t categories, CounterRng& rng) {
  std::vector<double> target;
  double sum = 0;
  for (size_t j = 0; j < categories; ++j) {
    target.push_back(0.05 - std::log(1 - rng.uniform()));
    sum += target.back();
  }
  for (double& share : target) share /= sum;
  return target;
}

double rejected(size_t categories, uint64_t rounds, double bias) {
  constexpr int experiments = 2000;
  CounterRng rng(categories, "rejected " + std::to_string(rounds));
  int rejections = 0;
  for (int e = 0; e < experiments; ++e) {
    const std::vector<double> target = random_target(categories, rng);
    std::vector<double> shares = target;
    const double moved = std::min(bias, shares[0]);
    shares[0] -= moved;
    shares[1] += moved;
    rejections += target_p_value(draw_multinomial(rounds, shares, rng), target) < test_level ? 1 : 0;
  }
  return static_cast<double>(rejections) / experiments;
}

TEST(TargetTest, RejectsAPerfectSamplerIn4To6Of100) {
  for (const auto& [categories, rounds] : {std::pair(2U, 20U), std::pair(2U, 100U), std::pair(2U, 1000U),
                                           std::pair(3U, 50U), std::pair(3U, 1000U), std::pair(6U, 300U)}) {
    const double share = rejected(categories, rounds, 0);
    EXPECT_GE(share, 0.04) << categories << " categories, " << rounds << " rounds";
    EXPECT_LE(share, 0.06) << categories << " categories, " << rounds << " rounds";
  }
}

TEST(RejectionProbability, IsTheWeightOfWhatDoesNotPass) {
  // Ten tosses: 0, 1, 9 and 10 heads fail (2 and 8: 67 / 1024), which are 22 of 1024 outcomes.
  EXPECT_NEAR(rejection_probability(10, {0.5, 0.5}), 22.0 / 1024, 1e-12);
  for (const std::vector<double>& target :
       std::vector<std::vector<double>>{{0.99, 0.01}, {0.97, 0.03}, {0.5, 0.5}}) {
    constexpr int experiments = 20'000;
    CounterRng rng(7, "rejection");
    int rejections = 0;
    for (int e = 0; e < experiments; ++e)
      rejections += target_p_value(draw_multinomial(100, target, rng), target) < test_level ? 1 : 0;
    EXPECT_NEAR(rejection_probability(100, target), static_cast<double>(rejections) / experiments, 0.006)
        << target[0];
  }
  EXPECT_GT(rejection_probability(100, {0.99, 0.01}), 0.07) << "far from 5%";
  EXPECT_EQ(rejection_probability(100, {1, 0}), 0);
  EXPECT_EQ(rejection_probability(100, {0.5, 0.25, 0.25}), test_level);
}

TEST(TargetTest, OfManyRoundsIsPearsons) {
  // The first two of three are off: X^2 is 2000^2 / 3e6 + 2000^2 / 3e6, and p with 2 degrees of freedom is
  // exp(-X^2 / 2).
  EXPECT_NEAR(target_p_value({3'002'000, 2'998'000, 3'000'000}, {1.0 / 3, 1.0 / 3, 1.0 / 3}),
              std::exp(-4.0 / 3), 1e-6);
}

TEST(TargetTest, RejectsABiasedOne) {
  EXPECT_GT(rejected(2, 1000, 0.1), 0.9);
  EXPECT_GT(rejected(6, 1000, 0.1), 0.9);
  EXPECT_LT(target_p_value({400, 100, 100, 100}, {0.25, 0.25, 0.25, 0.25}), 1e-6);
}

TEST(TargetTest, SaysTheSameEachTime) {
  const std::vector<uint64_t> counts = {180, 160, 170, 190, 150, 150};
  const std::vector<double> target(6, 1.0 / 6);
  EXPECT_EQ(target_p_value(counts, target), target_p_value(counts, target));
}

}  // namespace
}  // namespace apportion
