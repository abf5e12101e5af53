// What a perfect sampler, whose draws follow the target, would show by chance alone.
#pragma once

#include <cstdint>
#include <vector>

namespace apportion {

/// The shares that a subject is asked to follow, and how often it is asked.
struct AskedSubject {
  std::vector<double> target;  // [K], sums to 1
  uint64_t rounds = 0;
};

/// The MAE, a mean over the subjects, that a perfect sampler exceeds in about 5 of 100 measurements of as
/// many rounds: a model with more is hardly a perfect sampler. For a single subject with few rounds, whose
/// MAE takes few values, it may be 0 to 10 of 100. Follows from the exact mean of a subject's MAE and its
/// variance (exact for two categories; for more, with the correlation of the absolute values of jointly
/// normal numbers), by the gamma distribution that has both. 0 without subjects, or when nothing is left to
/// chance.
double detectable_mae(const std::vector<AskedSubject>& subjects);

/// How many of a perfect sampler's subjects pass at least, except in 2.5 of 100 measurements, when these are
/// the probabilities that each does not pass.
int passes_of_perfect(const std::vector<double>& rejections);

}  // namespace apportion
