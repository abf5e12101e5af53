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
/// of random numbers that depend on counts and target alone, fewer where 50 of them are as improbable (Besag
/// and Clifford, "Sequential Monte Carlo p-values", Biometrika 1991), or Pearson's chi-square where that
/// leaves no doubt (below 1e-6, with 5 expected in each category).
double target_p_value(const std::vector<uint64_t>& counts, const std::vector<double>& target);

}  // namespace apportion
