// What a perfect sampler, whose draws follow the target, would show by chance alone.
#pragma once

#include <cstdint>
#include <vector>

namespace apportion {

/// What a subject is asked for and how often it is asked.
struct AskedSubject {
  std::vector<double> target;  // [K], sums to 1
  uint64_t rounds = 0;
};

/// The MAE, a mean over the subjects, that a perfect sampler exceeds in about 5 of 100 measurements of as
/// many rounds: a model with more is hardly one. Of a single subject with few rounds, whose MAE has few
/// values, it may be 0 to 10. From the exact mean of a subject's MAE and its variance (exact for two
/// categories; for more with the correlation that absolute values of jointly normal numbers have), by the
/// gamma distribution that has both. 0 without subjects, or where nothing is left to chance.
double detectable_mae(const std::vector<AskedSubject>& subjects);

/// Of a perfect sampler's subjects, which do not pass with these probabilities, as many pass at least, but
/// for 2.5 in 100 measurements.
int passes_of_perfect(const std::vector<double>& rejections);

}  // namespace apportion
