// How far two judges of the same answers agree.
#pragma once

#include <cstdint>
#include <optional>

#include "shared/measure/histogram.h"

namespace apportion {

/// Over the rounds that both judged: those that are no story, and those whose judgement failed, are left out.
/// That a story says no category is a verdict as any other.
struct Agreement {
  uint64_t rounds = 0;
  double share = 0;             // of them that both gave the same verdict
  std::optional<double> kappa;  // Cohen's: (share - chance) / (1 - chance); absent where chance is 1
};

/// Absent where the two are not of the same answers, or judged none in common.
std::optional<Agreement> agreement_of(const MeasureResult& one, const MeasureResult& other);

}  // namespace apportion
