#include "shared/statistics/interval.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>

namespace apportion {
namespace {

struct Moments {
  double mean = 0, deviation = 0,
         skewness = 0;  // deviation: n - 1; skewness: without its bias for normal values
};

Moments moments_of(const std::vector<double>& values) {
  const double n = static_cast<double>(values.size());
  Moments moments;
  for (const double value : values) moments.mean += value / n;
  double second = 0, third = 0;
  for (const double value : values) {
    const double from_mean = value - moments.mean;
    second += from_mean * from_mean / n;
    third += from_mean * from_mean * from_mean / n;
  }
  moments.deviation = std::sqrt(second * n / (n - 1));
  if (second > 0) moments.skewness = third / std::pow(second, 1.5) * std::sqrt(n * (n - 1)) / (n - 2);
  return moments;
}

/// The w for which Hall's w + g w^2 / 3 + g^2 w^3 / 27 + g / (6 n) is y.
double without_skewness(double y, double skewness, double n) {
  constexpr double hardly_skewed = 1e-9;
  if (std::abs(skewness) < hardly_skewed) return y;
  return 3 / skewness * (std::cbrt(1 + skewness * (y - skewness / (6 * n))) - 1);
}

}  // namespace

Interval share_interval(double share, double draws) {
  constexpr double z = 1.959963984540054;  // 95% of a normal distribution lies within
  const double square = z * z / draws;
  const double middle = (share + square / 2) / (1 + square);
  const double half = z * std::sqrt(share * (1 - share) / draws + square / (4 * draws)) / (1 + square);
  return {std::min(share, std::max(0.0, middle - half)), std::max(share, std::min(1.0, middle + half))};
}

std::optional<Interval> mean_interval(const std::vector<double>& values) {
  if (values.size() < least_values) return std::nullopt;
  const double n = static_cast<double>(values.size());
  const Moments moments = moments_of(values);
  const double quantile = boost::math::quantile(boost::math::students_t(n - 1), 0.975) / std::sqrt(n);
  return Interval{moments.mean - moments.deviation * without_skewness(quantile, moments.skewness, n),
                  moments.mean - moments.deviation * without_skewness(-quantile, moments.skewness, n)};
}

}  // namespace apportion
