#include "shared/statistics/expected_mae.h"

#include <algorithm>
#include <cmath>

#include "shared/base/error.h"

namespace apportion {
namespace {

/// E|X/N - target|, X ~ Binomial(N, share). Weights are relative to the mode's and follow from its
/// neighbour's by P(k+1)/P(k) = (N-k)/(k+1) share/(1-share), so nothing overflows and no factorial is formed.
double expected_absolute_error(double share, double target, uint64_t rounds) {
  if (share <= 0) return target;
  if (share >= 1) return 1 - target;
  const double count = static_cast<double>(rounds);
  const double odds = share / (1 - share);
  const uint64_t mode = std::min(rounds, static_cast<uint64_t>((count + 1) * share));
  double weights = 0, errors = 0;
  const auto add = [&](uint64_t k, double weight) {
    weights += weight;
    errors += weight * std::abs(static_cast<double>(k) / count - target);
  };
  constexpr double negligible = 1e-30;
  double weight = 1;
  for (uint64_t k = mode; k <= rounds && weight > negligible; ++k) {
    add(k, weight);
    weight *= static_cast<double>(rounds - k) / static_cast<double>(k + 1) * odds;
  }
  weight = 1;
  for (uint64_t k = mode; k > 0; --k) {
    weight *= static_cast<double>(k) / static_cast<double>(rounds - k + 1) / odds;
    if (weight <= negligible) break;
    add(k - 1, weight);
  }
  return errors / weights;
}

}  // namespace

double expected_mae(const std::vector<double>& share, const std::vector<double>& target, uint64_t rounds) {
  ensure(rounds > 0 && !target.empty() && share.size() == target.size(),
         "expected_mae: N > 0 and K shares, K targets");
  double sum = 0;
  for (size_t j = 0; j < target.size(); ++j) sum += expected_absolute_error(share[j], target[j], rounds);
  return sum / static_cast<double>(target.size());
}

}  // namespace apportion
