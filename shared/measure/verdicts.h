// A judge's verdicts in the place of what a measure task read: which texts are judged, and what comes of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shared/measure/histogram.h"

namespace apportion {

/// The stories that were measured, each text once, in ascending order; what is no story stays so and is not
/// among them.
std::vector<std::string> stories_to_judge(const MeasureResult& measured);

/// `measured` with the judge's category (or unparsed, or judge_failed) for each answer; `verdicts` are those
/// of stories_to_judge, in its order. Rounds of stories that are not listed cannot be judged: theirs has
/// failed. Exact shares are not known, for what was explored beside the rounds is not in it.
MeasureResult with_verdicts(MeasureResult measured, const std::vector<int>& verdicts);

/// One line for people about the rounds whose judgement failed; empty where none did.
std::string failed_verdicts_notice(const MeasureResult& judged);

}  // namespace apportion
