// Answers to a unit of prompts, grown on one token tree: rounds drawn down it and exact shares by expansion
// share every node, and prompts and paths keep their keys and values, so nothing is computed twice.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shared/config/run_config.h"
#include "shared/data/tokenizer.h"
#include "shared/measure/category.h"
#include "shared/measure/histogram.h"
#include "worker/models/llama.h"

namespace apportion {

/// A prompt to be measured. `draw_key` says what its draws are for (dataset, test set, subject, wording).
struct MeasurePrompt {
  int subject = 0, wording = 0;
  std::vector<int32_t> tokens;
  std::vector<int32_t> steering_tokens;  // [K]
  uint64_t rounds = 0;
  std::string draw_key;
};

/// What measuring needs besides prompts.
struct MeasureTools {
  const Llama& model;
  const Adapter* adapter;  // may be null
  const Tokenizer& tokenizer;
  int32_t end_of_turn;
  const CategoryParser& parser;
  MeasureConfig config;
  uint64_t seed;
};

struct UnitResult {
  std::vector<PromptResult> prompts;
  int64_t tokens = 0;  // tokens that went through the model
  double flops = 0;
};

/// Rounds at temperature 1 with nothing truncated, exact shares down to config.exact_threshold per node and
/// within config.exact_nodes nodes per prompt (the most probable first at each depth), steering tokens'
/// probabilities. An answer's text is parsed without its end of turn; one of max_answer_tokens tokens without
/// an end is cut.
UnitResult measure_unit(const MeasureTools& tools, const std::vector<MeasurePrompt>& prompts);

}  // namespace apportion
