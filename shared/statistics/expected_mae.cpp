#include "shared/statistics/expected_mae.h"

#include <cmath>

#include "shared/base/error.h"
#include "shared/statistics/binomial.h"

namespace apportion {
namespace {

/// E|X/N - target|, X ~ Binomial(N, share).
double expected_absolute_error(double share, double target, uint64_t rounds) {
  if (share <= 0) return target;
  if (share >= 1) return 1 - target;
  const double count = static_cast<double>(rounds);
  double weights = 0, errors = 0;
  for_binomial_outcomes(rounds, share, 1 - share, [&](uint64_t k, double weight) {
    weights += weight;
    errors += weight * std::abs(static_cast<double>(k) / count - target);
  });
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
