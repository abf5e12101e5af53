#include "shared/statistics/target_test.h"

#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>
#include <iterator>
#include <limits>
#include <numeric>
#include <string>

#include "shared/base/counter_rng.h"
#include "shared/base/error.h"
#include "shared/statistics/binomial.h"

namespace apportion {
namespace {

/// Outcomes whose log-probabilities are as close as this count as equally probable: more than rounding makes
/// of equal ones, up to some million rounds.
constexpr double same = 1e-7;

/// Only the categories that can be drawn.
struct Drawn {
  std::vector<uint64_t> counts;
  std::vector<double> target;
  uint64_t rounds = 0;
};

/// log P(counts) without what all outcomes have in common.
double log_weight(const std::vector<uint64_t>& counts, const std::vector<double>& target) {
  double sum = 0;
  for (size_t j = 0; j < counts.size(); ++j) {
    const double count = static_cast<double>(counts[j]);
    sum += count * std::log(target[j]) - boost::math::lgamma(count + 1);
  }
  return sum;
}

/// The mid-p of outcomes with these log-weights, of which one was seen.
double mid_p(const std::vector<double>& log_weights, double seen) {
  const double largest = *std::max_element(log_weights.begin(), log_weights.end());
  double all = 0, less = 0;
  for (const double log_weight : log_weights) {
    const double weight = std::exp(log_weight - largest);
    all += weight;
    if (log_weight < seen - same) {
      less += weight;
    } else if (log_weight <= seen + same) {
      less += weight / 2;
    }
  }
  return less / all;
}

/// For two categories. Uses logarithms of weights that follow from each other instead of large numbers, whose
/// rounding could make unequal outcomes equal.
double pair_p_value(const Drawn& drawn) {
  double seen = -std::numeric_limits<double>::infinity();
  std::vector<double> log_weights;
  for_binomial_outcomes(drawn.rounds, drawn.target[0], drawn.target[1], [&](uint64_t count, double weight) {
    log_weights.push_back(std::log(weight));
    if (count == drawn.counts[0]) seen = log_weights.back();
  });
  return mid_p(log_weights, seen);
}

/// The weight, out of all, of outcomes that do not pass: the least probable ones, as long as mid_p is below
/// the level.
double pair_rejection(uint64_t rounds, const std::vector<double>& target) {
  std::vector<double> weights;
  for_binomial_outcomes(rounds, target[0], target[1],
                        [&](uint64_t, double weight) { weights.push_back(weight); });
  std::sort(weights.begin(), weights.end());
  const double all = std::accumulate(weights.begin(), weights.end(), 0.0);
  double rejected = 0;
  for (size_t i = 0; i < weights.size();) {
    const double most_alike = std::log(weights[i]) + same;
    double alike = 0;
    for (; i < weights.size() && std::log(weights[i]) <= most_alike; ++i) alike += weights[i];
    if ((rejected + alike / 2) / all >= test_level) break;
    rejected += alike;
  }
  return rejected / all;
}

constexpr double most_outcomes = 10'000;

/// The number of ways that rounds can fall on categories, (rounds + K - 1) over (K - 1), counted no further
/// than matters.
double outcomes_of(const Drawn& drawn) {
  double outcomes = 1;
  for (size_t j = 1; j < drawn.target.size() && outcomes <= most_outcomes; ++j)
    outcomes *= static_cast<double>(drawn.rounds + j) / static_cast<double>(j);
  return outcomes;
}

/// Calls visit(counts) for each way in which `left` rounds fall on the categories from `first` on.
template <typename Visit>
void for_outcomes(std::vector<uint64_t>& counts, size_t first, uint64_t left, const Visit& visit) {
  if (first + 1 == counts.size()) {
    counts[first] = left;
    visit(counts);
    return;
  }
  for (counts[first] = 0; counts[first] <= left; ++counts[first])
    for_outcomes(counts, first + 1, left - counts[first], visit);
}

double enumerated_p_value(const Drawn& drawn) {
  std::vector<double> log_weights;
  std::vector<uint64_t> counts(drawn.target.size());
  for_outcomes(counts, 0, drawn.rounds, [&](const std::vector<uint64_t>& outcome) {
    log_weights.push_back(log_weight(outcome, drawn.target));
  });
  return mid_p(log_weights, log_weight(drawn.counts, drawn.target));
}

double least_expected(const Drawn& drawn) {
  return *std::min_element(drawn.target.begin(), drawn.target.end()) * static_cast<double>(drawn.rounds);
}

/// The p-value by Pearson's statistic.
double chi_square_p_value(const Drawn& drawn) {
  double statistic = 0;
  for (size_t j = 0; j < drawn.target.size(); ++j) {
    const double expected = drawn.target[j] * static_cast<double>(drawn.rounds);
    const double off = static_cast<double>(drawn.counts[j]) - expected;
    statistic += off * off / expected;
  }
  const boost::math::chi_squared distribution(static_cast<double>(drawn.target.size() - 1));
  return boost::math::cdf(boost::math::complement(distribution, statistic));
}

double simulated_p_value(const Drawn& drawn) {
  constexpr int most_draws = 2000, enough = 50;
  std::string purpose = "target test";
  for (size_t j = 0; j < drawn.counts.size(); ++j)
    purpose += " " + std::to_string(drawn.counts[j]) + ":" + std::to_string(drawn.target[j]);
  CounterRng rng(0, purpose);
  const double seen = log_weight(drawn.counts, drawn.target);
  int as_improbable = 0;
  for (int draw = 1; draw <= most_draws; ++draw) {
    if (log_weight(draw_multinomial(drawn.rounds, drawn.target, rng), drawn.target) > seen + same) continue;
    if (++as_improbable == enough) return static_cast<double>(enough) / draw;
  }
  return static_cast<double>(as_improbable + 1) / (most_draws + 1);
}

}  // namespace

double target_p_value(const std::vector<uint64_t>& counts, const std::vector<double>& target) {
  ensure(counts.size() == target.size(), "a count for each category of the target");
  Drawn drawn;
  for (size_t j = 0; j < counts.size(); ++j) {
    if (target[j] <= 0 && counts[j] > 0) return 0;
    if (target[j] <= 0) continue;
    drawn.counts.push_back(counts[j]);
    drawn.target.push_back(target[j]);
    drawn.rounds += counts[j];
  }
  ensure(drawn.rounds > 0, "a test needs rounds");
  if (drawn.target.size() == 1) return 1;
  if (drawn.target.size() == 2) return pair_p_value(drawn);
  if (outcomes_of(drawn) <= most_outcomes) return enumerated_p_value(drawn);
  constexpr double no_doubt = 1e-6, enough = 5, plenty = 1000;
  const double expected = least_expected(drawn), by_chi_square = chi_square_p_value(drawn);
  const bool is_known = expected >= plenty || (expected >= enough && by_chi_square < no_doubt);
  return is_known ? by_chi_square : simulated_p_value(drawn);
}

double rejection_probability(uint64_t rounds, const std::vector<double>& target) {
  std::vector<double> drawn;
  std::copy_if(target.begin(), target.end(), std::back_inserter(drawn),
               [](double share) { return share > 0; });
  if (drawn.size() < 2 || rounds == 0) return 0;
  return drawn.size() == 2 ? pair_rejection(rounds, drawn) : test_level;
}

}  // namespace apportion
