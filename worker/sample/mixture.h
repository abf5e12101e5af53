// A prompt that is asked in several ways, each in its share of the rounds, with one result.
// shared/data/question.h has the ways.
#pragma once

#include <string>
#include <vector>

#include "shared/data/question.h"
#include "worker/sample/answer_tree.h"

namespace apportion {

/// Splits `whole` into the parts that are measured: independent draws keyed by its draw_key split its rounds
/// over the shares (which add to 1). Part i has the tokens tokens[i]. A single part of share 1 takes all
/// rounds, without draws.
std::vector<MeasurePrompt> split_prompt(const MeasurePrompt& whole, const std::vector<double>& shares,
                                        const std::vector<std::vector<int32_t>>& tokens, uint64_t seed);

/// Joins the parts' results: exact shares weighted by `shares`, counts added, and the probability of an
/// answer's part included in its log-prob.
PromptResult mix_results(std::vector<PromptResult> parts, const std::vector<double>& shares);

}  // namespace apportion
