#include "shared/statistics/binomial.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

namespace apportion {
namespace {

/// log(n!) minus Stirling's formula for it.
double stirling_error(uint64_t n) {
  const auto x = static_cast<double>(n);
  if (n < 16) {
    double factorial = 1;
    for (uint64_t i = 2; i <= n; ++i) factorial *= static_cast<double>(i);
    return std::log(factorial) - (0.5 * std::log(2 * std::numbers::pi * x) + x * std::log(x) - x);
  }
  const double square = x * x;
  return (1.0 / 12 - (1.0 / 360 - (1.0 / 1260 - 1.0 / 1680 / square) / square) / square) / x;
}

/// x log(x / mean) + mean - x, without cancellation where x is close to the mean.
double deviance(double x, double mean) {
  if (std::abs(x - mean) >= 0.1 * (x + mean)) return x * std::log(x / mean) + mean - x;
  const double v = (x - mean) / (x + mean);
  double sum = (x - mean) * v, term = 2 * x * v;
  for (int odd = 3;; odd += 2) {
    term *= v * v;
    const double next = sum + term / odd;
    if (next == sum) return next;
    sum = next;
  }
}

/// The outcomes above or below the most probable one, one after another, outwards.
struct Side {
  uint64_t outcome;
  double probability;
};

}  // namespace

double binomial_probability(uint64_t successes, uint64_t trials, double hit, double miss) {
  const double p = hit / (hit + miss), q = miss / (hit + miss);
  const auto n = static_cast<double>(trials), k = static_cast<double>(successes);
  if (successes == 0) return p < 0.5 ? std::exp(n * std::log1p(-p)) : std::pow(q, n);
  if (successes == trials) return q < 0.5 ? std::exp(n * std::log1p(-q)) : std::pow(p, n);
  const double logarithm = stirling_error(trials) - stirling_error(successes) -
                           stirling_error(trials - successes) - deviance(k, n * p) - deviance(n - k, n * q);
  return std::exp(logarithm) * std::sqrt(n / (2 * std::numbers::pi * k * (n - k)));
}

BinomialDraw draw_binomial(uint64_t trials, double hit, double miss, double bound, double uniform) {
  if (!(hit > 0)) return {0, false};
  if (!(miss > 0)) return {trials, false};
  const double p = hit / (hit + miss), q = miss / (hit + miss);
  const auto n = static_cast<double>(trials);
  const uint64_t mode = std::min(trials, static_cast<uint64_t>((n + 1) * p));
  const double at_mode = binomial_probability(mode, trials, hit, miss);
  Side above{mode, at_mode}, below{mode, at_mode};
  double sum = 0, slope = 0;  // the probability of the outcomes so far, and its derivative by p
  // Adds the next outcome; returns whether the uniform falls into it.
  BinomialDraw draw{mode, false};
  auto falls_in = [&](const Side& side) {
    const double before = sum, slope_before = slope;
    sum += side.probability;
    slope += side.probability * (static_cast<double>(side.outcome) - n * p) / (p * q);
    if (uniform >= sum) return false;
    draw = {side.outcome,
            uniform - before < std::abs(slope_before) * bound || sum - uniform < std::abs(slope) * bound};
    return true;
  };
  if (falls_in(above)) return draw;
  // What rounding leaves above the sum goes to the most probable outcome.
  while (above.probability > 0 || below.probability > 0) {
    const auto up = static_cast<double>(above.outcome), down = static_cast<double>(below.outcome);
    above = {above.outcome + 1, above.probability * (n - up) / (up + 1) * p / q};
    if (above.probability > 0 && falls_in(above)) break;
    below = {below.outcome - 1, below.probability * down / (n - down + 1) * q / p};
    if (below.probability > 0 && falls_in(below)) break;
  }
  return draw;
}

/// Draws in turn how many of the remaining trials fall on each category.
std::vector<uint64_t> draw_multinomial(uint64_t trials, const std::vector<double>& shares, CounterRng& rng) {
  std::vector<uint64_t> counts(shares.size());
  uint64_t left = trials;
  double rest = std::accumulate(shares.begin(), shares.end(), 0.0);
  for (size_t j = 0; j + 1 < counts.size(); ++j) {
    rest = std::max(0.0, rest - shares[j]);
    counts[j] = draw_binomial(left, shares[j], rest, 0, rng.uniform()).successes;
    left -= counts[j];
  }
  counts.back() = left;
  return counts;
}

}  // namespace apportion
