#include "shared/statistics/perfect_sampler.h"

#include <algorithm>
#include <boost/math/distributions/gamma.hpp>
#include <cmath>
#include <numbers>

#include "shared/statistics/expected_mae.h"

namespace apportion {
namespace {

/// The correlation of |X| and |Y| where X and Y are normal around 0 with this correlation (Nabeya, "Absolute
/// moments in 2-dimensional normal distribution", Annals of the Institute of Statistical Mathematics 1951).
double correlation_of_absolutes(double correlation) {
  const double product = std::sqrt(1 - correlation * correlation) + correlation * std::asin(correlation);
  return (product - 1) / (std::numbers::pi / 2 - 1);
}

/// The correlation between the sampled shares of two categories with these shares.
double correlation_of_shares(double one, double other) {
  return -std::sqrt(std::min(1.0, one * other / ((1 - one) * (1 - other))));
}

struct MeanVariance {
  double mean = 0, variance = 0;
};

MeanVariance of_perfect_mae(const AskedSubject& subject) {
  const double categories = static_cast<double>(subject.target.size());
  std::vector<double> shares, deviations;  // of |sampled share - target|, where something is left to chance
  MeanVariance mae;
  if (subject.rounds == 0) return mae;  // nothing was drawn
  for (const double share : subject.target) {
    if (share <= 0 || share >= 1) continue;
    const double mean = expected_mae({share}, {share}, subject.rounds);
    const double square = share * (1 - share) / static_cast<double>(subject.rounds);
    mae.mean += mean / categories;
    shares.push_back(share);
    deviations.push_back(std::sqrt(std::max(0.0, square - mean * mean)));
  }
  for (size_t i = 0; i < shares.size(); ++i) {
    for (size_t j = 0; j < shares.size(); ++j) {
      const double correlation =
          i == j ? 1 : correlation_of_absolutes(correlation_of_shares(shares[i], shares[j]));
      mae.variance += correlation * deviations[i] * deviations[j] / (categories * categories);
    }
  }
  return mae;
}

}  // namespace

double detectable_mae(const std::vector<AskedSubject>& subjects) {
  MeanVariance all;
  const double count = static_cast<double>(subjects.size());
  for (const AskedSubject& subject : subjects) {
    const MeanVariance mae = of_perfect_mae(subject);
    all.mean += mae.mean / count;
    all.variance += mae.variance / (count * count);
  }
  if (!(all.variance > 0)) return all.mean;
  const boost::math::gamma_distribution<> gamma(all.mean * all.mean / all.variance, all.variance / all.mean);
  return boost::math::quantile(gamma, 0.95);
}

int passes_of_perfect(const std::vector<double>& rejections) {
  std::vector<double> probability = {1};  // that 0, 1, ... pass, among those so far
  for (const double rejection : rejections) {
    probability.push_back(0);
    for (size_t passes = probability.size() - 1; passes > 0; --passes)
      probability[passes] = probability[passes] * rejection + probability[passes - 1] * (1 - rejection);
    probability[0] *= rejection;
  }
  constexpr double tail = 0.025;
  double fewer = 0;
  for (size_t passes = 0; passes < probability.size(); ++passes) {
    fewer += probability[passes];
    if (fewer >= tail) return static_cast<int>(passes);
  }
  return static_cast<int>(rejections.size());
}

}  // namespace apportion
