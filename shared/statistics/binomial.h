// One draw of a binomial number by inversion, at a cost that grows with its deviation and not with the number
// of trials.
#pragma once

#include <cstdint>

namespace apportion {

/// The probability of `successes` of `trials` with odds hit : miss (not negative, not both 0), by Loader's
/// saddle-point expansion ("Fast and accurate computation of binomial probabilities", 2000): exact to
/// rounding for any number of trials.
double binomial_probability(uint64_t successes, uint64_t trials, double hit, double miss);

struct BinomialDraw {
  uint64_t successes = 0;
  bool near_boundary = false;  // another number under a share of hits that is off by `bound`
};

/// Where `uniform` in [0, 1) falls on the outcomes laid side by side from the most probable one on, in turns
/// above and below it.
BinomialDraw draw_binomial(uint64_t trials, double hit, double miss, double bound, double uniform);

}  // namespace apportion
