// How far two judges of the same answers agree.
#pragma once

#include <cstdint>
#include <optional>

#include "shared/measure/histogram.h"

namespace apportion {

/// Over the rounds that both judged, without those that are no story and those whose judgement failed. "No
/// category" is a verdict like any other.
struct Agreement {
  uint64_t rounds = 0;
  double share = 0;             // share of them with the same verdict from both
  std::optional<double> kappa;  // Cohen's: (share - chance) / (1 - chance); absent where chance is 1
};

/// Absent when the two have different answers, or no judged round in common.
std::optional<Agreement> agreement_of(const MeasureResult& one, const MeasureResult& other);

}  // namespace apportion
