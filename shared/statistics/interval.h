// Intervals that contain the true value in 95 of 100 measurements; tests/unit/shared/statistics counts that
// they do.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace apportion {

struct Interval {
  double low = 0, high = 0;
};

/// For the true share behind `draws` (> 0) draws, of which a share `share` hit: Wilson's score interval
/// ("Probable inference, the law of succession, and statistical inference", JASA 1927).
Interval share_interval(double share, double draws);

/// With fewer values than this, an interval of their mean would contain it less often than it says.
inline constexpr size_t least_values = 6;

/// For the mean of the population from which `values` are a sample. Errors are not normal: most are small and
/// a few are large, and Student's interval of ten such values contains their mean in 90 to 93 of 100 cases.
/// So this first removes the skewness: Hall, "On the removal of skewness by transformation", JRSS B 1992,
/// with its third-degree polynomial, which has an inverse, and Student's quantiles. Nothing for fewer than
/// least_values values; [mean, mean] for equal ones.
std::optional<Interval> mean_interval(const std::vector<double>& values);

}  // namespace apportion
