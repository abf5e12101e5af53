// Are these rounds draws from the target?
#pragma once

#include <cstdint>
#include <vector>

namespace apportion {

/// A subject whose p-value is below this does not pass.
inline constexpr double test_level = 0.05;

/// The p-value of the multinomial test of `counts` [K] against `target` [K] (shares that sum to 1; at least
/// one count): the probability of draws from the target that are less probable than these, plus half the
/// probability of equally probable ones (Lancaster's mid-p, "Significance tests in discrete distributions",
/// JASA 1961). Exact for two categories, and for more when at most 10,000 outcomes are possible. Otherwise
/// the share of up to 2,000 draws, by random numbers that depend on counts and target alone, that are at most
/// as probable; it stops early at 50 of them (Besag and Clifford, "Sequential Monte Carlo p-values",
/// Biometrika 1991). Pearson's chi-square where it is as good (1,000 expected in each category) or leaves no
/// doubt (below 1e-6, with 5).
double target_p_value(const std::vector<uint64_t>& counts, const std::vector<double>& target);

/// How often as many draws from the target itself do not pass: exact for two categories, where it is up to a
/// tenth for shares near 0 or 1; test_level for more. 0 when nothing is left to chance.
double rejection_probability(uint64_t rounds, const std::vector<double>& target);

}  // namespace apportion
