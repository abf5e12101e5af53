// Intervals that hold what they are of in 95 of 100 measurements; tests/unit/shared/statistics counts that
// they do.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace apportion {

struct Interval {
  double low = 0, high = 0;
};

/// Of the share that `draws` (> 0) were drawn with, a share `share` of which hit: Wilson's score interval
/// ("Probable inference, the law of succession, and statistical inference", JASA 1927).
Interval share_interval(double share, double draws);

/// With fewer values than this an interval of their mean would hold it less often than it says.
inline constexpr size_t least_values = 6;

/// Of the mean of what `values` are a sample of. Errors are not normal: most are small and a few are large,
/// and Student's interval of ten such values holds their mean in 90 to 93 of 100 cases. So the skewness is
/// taken out first: Hall, "On the removal of skewness by transformation", JRSS B 1992, its third-degree
/// polynomial, which has an inverse, with Student's quantiles. Nothing for fewer than least_values values;
/// [mean, mean] of equal ones.
std::optional<Interval> mean_interval(const std::vector<double>& values);

}  // namespace apportion
