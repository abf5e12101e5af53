// Intervals against published values, and how often they contain the true value: 2,000 experiments with a
// perfect sampler and three biased ones, with the percentile bootstrap for comparison.
#include "shared/statistics/interval.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "shared/base/counter_rng.h"
#include "shared/statistics/binomial.h"
#include "shared/statistics/expected_mae.h"

namespace apportion {
namespace {

TEST(ShareInterval, IsWilsons) {
  // Newcombe 1998, table I, has 81 of 263 and 15 of 148; Brown, Cai and DasGupta 2001 have none of ten.
  const Interval many = share_interval(81.0 / 263, 263), few = share_interval(15.0 / 148, 148),
                 none = share_interval(0, 10);
  EXPECT_NEAR(many.low, 0.2553, 5e-5);
  EXPECT_NEAR(many.high, 0.3662, 5e-5);
  EXPECT_NEAR(few.low, 0.0624, 5e-5);
  EXPECT_NEAR(few.high, 0.1605, 5e-5);
  EXPECT_EQ(none.low, 0);
  EXPECT_NEAR(none.high, 0.2775, 5e-5);
}

constexpr int experiments = 2000;

/// A sampler is defined by its error: the share it gives a category, for a subject with this target.
struct Sampler {
  const char* name;
  std::function<double(double target, CounterRng& rng)> share;
};

double within(double share) { return std::clamp(share, 0.0, 1.0); }

const std::vector<Sampler>& samplers() {
  static const std::vector<Sampler> all = {
      {"perfect", [](double target, CounterRng&) { return target; }},
      {"0.05 too high everywhere", [](double target, CounterRng&) { return within(target + 0.05); }},
      {"off by a normal number of deviation 0.05",
       [](double target, CounterRng& rng) { return within(target + 0.05 * rng.normal()); }},
      {"a few subjects far off, by an exponential number of mean 0.05",
       [](double target, CounterRng& rng) { return within(target - 0.05 * std::log(1 - rng.uniform())); }}};
  return all;
}

/// A subject of the population: its target, and the share that a sampler draws it with.
struct Subject {
  double target = 0, share = 0;
};

Subject subject_of(const Sampler& sampler, CounterRng& rng) {
  const double target = 0.05 + 0.9 * rng.uniform();
  return {target, sampler.share(target, rng)};
}

double drawn_error(const Subject& subject, uint64_t rounds, CounterRng& rng) {
  const uint64_t hits = draw_binomial(rounds, subject.share, 1 - subject.share, 0, rng.uniform()).successes;
  return std::abs(static_cast<double>(hits) / static_cast<double>(rounds) - subject.target);
}

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// The population's mean error: over the rounds, or without their noise if `rounds` is 0.
double true_mean(const Sampler& sampler, uint64_t rounds) {
  CounterRng rng(1, std::string("population ") + sampler.name);
  constexpr int many = 100'000;
  double sum = 0;
  for (int i = 0; i < many; ++i) {
    const Subject subject = subject_of(sampler, rng);
    sum += rounds == 0 ? std::abs(subject.share - subject.target)
                       : expected_mae({subject.share}, {subject.target}, rounds);
  }
  return sum / many;
}

/// Coverage of intervals around the errors of this many subjects; exact errors if `rounds` is 0.
double coverage(const Sampler& sampler, int subjects, uint64_t rounds) {
  CounterRng rng(static_cast<uint64_t>(subjects), std::string("experiments ") + sampler.name);
  const double truth = true_mean(sampler, rounds);
  int held = 0;
  for (int e = 0; e < experiments; ++e) {
    std::vector<double> errors;
    for (int s = 0; s < subjects; ++s) {
      const Subject subject = subject_of(sampler, rng);
      errors.push_back(rounds == 0 ? std::abs(subject.share - subject.target)
                                   : drawn_error(subject, rounds, rng));
    }
    const Interval interval = mean_interval(errors).value();
    held += interval.low <= truth && truth <= interval.high ? 1 : 0;
  }
  return static_cast<double>(held) / experiments;
}

TEST(MeanInterval, HoldsTheMeanOfTheRoundsErrorsIn93To97Of100) {
  for (const Sampler& sampler : samplers()) {
    for (const auto& [subjects, rounds] : {std::pair(12, 100U), std::pair(40, 1000U)}) {
      const double held = coverage(sampler, subjects, rounds);
      RecordProperty(std::string(sampler.name) + ", " + std::to_string(subjects), std::to_string(held));
      EXPECT_GE(held, 0.93) << sampler.name << ", " << subjects << " subjects, " << rounds << " rounds";
      EXPECT_LE(held, 0.97) << sampler.name << ", " << subjects << " subjects, " << rounds << " rounds";
    }
  }
}

TEST(MeanInterval, HoldsTheMeanOfExactErrors) {
  for (const Sampler& sampler : {samplers()[2], samplers()[3]}) {
    for (const int subjects : {12, 40}) {
      const double held = coverage(sampler, subjects, 0);
      EXPECT_GE(held, 0.93) << sampler.name << ", " << subjects << " subjects";
      EXPECT_LE(held, 0.97) << sampler.name << ", " << subjects << " subjects";
    }
  }
}

// Draws from shares that were drawn themselves contain the noise twice, so their errors are larger. Hence no
// percentile of them is where a perfect sampler's error is.
TEST(MeanInterval, ThePercentileBootstrapDoesNot) {
  constexpr int subjects = 40, resamples = 200, runs = 200;
  constexpr uint64_t rounds = 1000;
  CounterRng rng(3, "bootstrap");
  const double truth = true_mean(samplers()[0], rounds);
  int held = 0;
  for (int run = 0; run < runs; ++run) {
    std::vector<Subject> seen;
    for (int s = 0; s < subjects; ++s) {
      const Subject subject = subject_of(samplers()[0], rng);
      const uint64_t hits =
          draw_binomial(rounds, subject.share, 1 - subject.share, 0, rng.uniform()).successes;
      seen.push_back({subject.target, static_cast<double>(hits) / rounds});
    }
    std::vector<double> means;
    for (int r = 0; r < resamples; ++r) {
      std::vector<double> errors;
      for (const Subject& subject : seen) errors.push_back(drawn_error(subject, rounds, rng));
      means.push_back(mean_of(errors));
    }
    std::sort(means.begin(), means.end());
    held += means[resamples / 40] <= truth && truth <= means[resamples - 1 - resamples / 40] ? 1 : 0;
  }
  RecordProperty("held", std::to_string(static_cast<double>(held) / runs));
  EXPECT_LT(static_cast<double>(held) / runs, 0.5);
}

TEST(MeanInterval, IsStudentsWhereNothingIsSkewed) {
  const Interval interval = mean_interval({1, 2, 3, 4, 5, 6, 7}).value();
  EXPECT_NEAR(interval.low, 4 - 2.446911851144969 * std::sqrt(14.0 / 3 / 7), 1e-12);
  EXPECT_NEAR(interval.high, 4 + 2.446911851144969 * std::sqrt(14.0 / 3 / 7), 1e-12);
}

TEST(MeanInterval, IsAPointOfEqualValuesAndNothingOfFew) {
  const Interval interval = mean_interval(std::vector<double>(8, 0.25)).value();
  EXPECT_EQ(interval.low, 0.25);
  EXPECT_EQ(interval.high, 0.25);
  EXPECT_FALSE(mean_interval({1, 2, 3, 4, 5}));
}

}  // namespace
}  // namespace apportion
