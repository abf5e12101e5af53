// Replaces what a measure task read by a judge's verdicts: which texts are judged, and what comes of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shared/measure/histogram.h"

namespace apportion {

/// The stories that were measured, each text once, in ascending order; answers that are no story stay so and
/// are left out.
std::vector<std::string> stories_to_judge(const MeasureResult& measured);

/// `measured` with the judge's category (or unparsed, or judge_failed) for each answer; `verdicts` are those
/// of stories_to_judge, in its order. Unlisted stories cannot be judged, so for their rounds the judgement
/// failed. Exact shares are unknown, because what was explored besides the rounds is not in it.
MeasureResult with_verdicts(MeasureResult measured, const std::vector<int>& verdicts);

/// One line for people about the rounds whose judgement failed; empty when none did.
std::string failed_verdicts_notice(const MeasureResult& judged);

}  // namespace apportion
