// Are these rounds draws from the target?
#pragma once

#include <cstdint>
#include <vector>

namespace apportion {

/// A subject whose p-value is below this does not pass.
inline constexpr double test_level = 0.05;

/// The p-value of the multinomial test of `counts` [K] against `target` [K] (shares that sum to 1; at least
/// one count): the probability of draws from the target that are less probable than these, and half of that
/// of those as probable (Lancaster's mid-p, "Significance tests in discrete distributions", JASA 1961). Exact
/// for two categories, and for more where at most 10,000 outcomes are possible; else from up to 2,000 draws
/// of random numbers that depend on counts and target alone the share that is at most as probable, of fewer
/// where 50 of them are (Besag and Clifford, "Sequential Monte Carlo p-values", Biometrika 1991). Pearson's
/// chi-square where that is as good (1,000 expected in each category) or leaves no doubt (below 1e-6, with
/// 5).
double target_p_value(const std::vector<uint64_t>& counts, const std::vector<double>& target);

/// In how many cases so many draws from the target itself do not pass: exact for two categories, where it is
/// up to a tenth for shares near 0 or 1; test_level for more. 0 where nothing is left to chance.
double rejection_probability(uint64_t rounds, const std::vector<double>& target);

}  // namespace apportion
