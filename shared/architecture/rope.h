// How fast each pair of a head's elements turns with the position (RoPE, arXiv 2104.09864), and how models
// for long contexts slow down the slow pairs (transformers, modeling_rope_utils.py).
#pragma once

#include <cstdint>
#include <vector>

#include "shared/architecture/shape.h"

namespace apportion {

/// Radians per position for the pairs 0 to head_dim / 2 - 1: theta^(-2 i / head_dim) over the pair's divisor.
std::vector<double> rope_frequencies(const ModelShape& shape);

/// Whether the divisors are linear scaling's: all the same, or none at all.
bool is_linear(const std::vector<double>& divisors);

/// Llama 3.1's scaling: divides frequencies with fewer than `low` turns in the original context by `factor`,
/// leaves those with more than `high`, and interpolates between them.
struct Llama3Scaling {
  double factor = 8, low = 1, high = 4;
  int64_t original_context = 8192;
};
std::vector<double> llama3_divisors(int64_t head_dim, double theta, const Llama3Scaling& scaling);

}  // namespace apportion
