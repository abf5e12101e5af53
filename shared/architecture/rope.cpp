#include "shared/architecture/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace apportion {
namespace {

double plain_frequency(int64_t pair, int64_t head_dim, double theta) {
  return std::pow(theta, -static_cast<double>(2 * pair) / static_cast<double>(head_dim));
}

}  // namespace

std::vector<double> rope_frequencies(const ModelShape& shape) {
  std::vector<double> frequencies(static_cast<size_t>(shape.head_dim / 2));
  for (size_t pair = 0; pair < frequencies.size(); ++pair) {
    frequencies[pair] = plain_frequency(static_cast<int64_t>(pair), shape.head_dim, shape.rope_theta);
    if (!shape.rope_divisors.empty()) frequencies[pair] /= shape.rope_divisors[pair];
  }
  return frequencies;
}

bool is_linear(const std::vector<double>& divisors) {
  return std::all_of(divisors.begin(), divisors.end(),
                     [&](double divisor) { return divisor == divisors.front(); });
}

std::vector<double> llama3_divisors(int64_t head_dim, double theta, const Llama3Scaling& scaling) {
  std::vector<double> divisors(static_cast<size_t>(head_dim / 2), 1);
  for (size_t pair = 0; pair < divisors.size(); ++pair) {
    const double turns = static_cast<double>(scaling.original_context) *
                         plain_frequency(static_cast<int64_t>(pair), head_dim, theta) /
                         (2 * std::numbers::pi);
    if (turns < scaling.low) {
      divisors[pair] = scaling.factor;
    } else if (turns <= scaling.high) {
      const double kept = (turns - scaling.low) / (scaling.high - scaling.low);
      divisors[pair] = 1 / ((1 - kept) / scaling.factor + kept);
    }
  }
  return divisors;
}

}  // namespace apportion
