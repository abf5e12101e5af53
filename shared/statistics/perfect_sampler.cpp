#include "shared/statistics/perfect_sampler.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/gamma.hpp>
#include <cmath>
#include <numbers>

#include "shared/statistics/expected_mae.h"
#include "shared/statistics/target_test.h"

namespace apportion {
namespace {

/// Of |X| and |Y| where X and Y are normal around 0 with this correlation (Leone, Nelson and Nottingham, "The
/// folded normal distribution", Technometrics 1961).
double correlation_of_absolutes(double correlation) {
  const double product = std::sqrt(1 - correlation * correlation) + correlation * std::asin(correlation);
  return (product - 1) / (std::numbers::pi / 2 - 1);
}

/// Of a category's share and of another's in draws of both.
double correlation_of_shares(double one, double other) {
  return -std::sqrt(std::min(1.0, one * other / ((1 - one) * (1 - other))));
}

struct MeanVariance {
  double mean = 0, variance = 0;
};

MeanVariance of_perfect_mae(const AskedSubject& subject) {
  const double categories = static_cast<double>(subject.target.size());
  std::vector<double> shares, deviations;  // of |sampled share - target|, of what is left to chance
  MeanVariance mae;
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

int passes_of_perfect(int tested) {
  if (tested == 0) return 0;
  using boost::math::policies::discrete_quantile;
  using boost::math::policies::integer_round_up;
  using Policy = boost::math::policies::policy<discrete_quantile<integer_round_up>>;
  const boost::math::binomial_distribution<double, Policy> passes(tested, 1 - test_level);
  return static_cast<int>(boost::math::quantile(passes, 0.025));
}

}  // namespace apportion
