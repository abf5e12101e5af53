// How far off the shares of independent draws are on average.
#pragma once

#include <cstdint>
#include <vector>

namespace apportion {

/// Expected mean absolute error of shares of N multinomial draws with probabilities `share` against `target`:
/// mean over categories of E|X/N - p_j|, X ~ Binomial(N, share_j), summed over every X that matters (relative
/// weight above 1e-30). `rounds` > 0; shares in [0, 1].
double expected_mae(const std::vector<double>& share, const std::vector<double>& target, uint64_t rounds);

}  // namespace apportion
