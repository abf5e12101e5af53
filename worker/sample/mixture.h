// A prompt that is put in several ways, each to its share of the rounds, as one result. Which ways there are
// is shared/data/question.h's.
#pragma once

#include <string>
#include <vector>

#include "shared/data/question.h"
#include "worker/sample/answer_tree.h"

namespace apportion {

/// The parts that `whole` is measured as: its rounds split over the shares (which add to 1) by independent
/// draws keyed by its draw_key; each part's tokens are `tokens`' of the same index. One part of share 1 takes
/// all rounds, undrawn.
std::vector<MeasurePrompt> split_prompt(const MeasurePrompt& whole, const std::vector<double>& shares,
                                        const std::vector<std::vector<int32_t>>& tokens, uint64_t seed);

/// What the parts say together: exact shares weighted by `shares`, counts added, and answers with the draw of
/// their part in their log-prob.
PromptResult mix_results(std::vector<PromptResult> parts, const std::vector<double>& shares);

}  // namespace apportion
