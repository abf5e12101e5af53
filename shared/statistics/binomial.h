// Binomial numbers: probabilities, all outcomes that matter, and one draw by inversion, at a cost that grows
// with its deviation, not with the number of trials.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "shared/base/counter_rng.h"

namespace apportion {

/// The probability of `successes` in `trials` at odds hit : miss (not negative, not both 0), by Loader's
/// saddle-point expansion ("Fast and accurate computation of binomial probabilities", 2000): exact to
/// rounding for any number of trials.
double binomial_probability(uint64_t successes, uint64_t trials, double hit, double miss);

/// Calls visit(successes, weight) for each outcome of so many trials that matters, with shares of hits and
/// misses above 0 that sum to 1: from the most probable outcome up, then down from it. That one's weight is
/// 1; the others' follow from their neighbours' by P(k+1)/P(k) = (N-k)/(k+1) hit/miss, so that nothing
/// overflows and no factorial is formed. Weights of 1e-30 and less are left out.
template <typename Visit>
void for_binomial_outcomes(uint64_t trials, double hit, double miss, const Visit& visit) {
  constexpr double negligible = 1e-30;
  const double odds = hit / miss;
  const auto mode = std::min(trials, static_cast<uint64_t>((static_cast<double>(trials) + 1) * hit));
  double weight = 1;
  for (uint64_t k = mode; k <= trials && weight > negligible; ++k) {
    visit(k, weight);
    weight *= static_cast<double>(trials - k) / static_cast<double>(k + 1) * odds;
  }
  weight = 1;
  for (uint64_t k = mode; k > 0; --k) {
    weight *= static_cast<double>(k) / static_cast<double>(trials - k + 1) / odds;
    if (weight <= negligible) break;
    visit(k - 1, weight);
  }
}

struct BinomialDraw {
  uint64_t successes = 0;
  bool near_boundary = false;  // a share of hits off by `bound` would give another number
};

/// Where `uniform` in [0, 1) falls on the outcomes, laid side by side from the most probable one on,
/// alternating above and below it.
BinomialDraw draw_binomial(uint64_t trials, double hit, double miss, double bound, double uniform);

/// Makes so many independent draws of categories with these shares, which are above 0 and sum to 1; returns
/// how many fell on each.
std::vector<uint64_t> draw_multinomial(uint64_t trials, const std::vector<double>& shares, CounterRng& rng);

}  // namespace apportion
