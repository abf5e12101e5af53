// The one recipe: what of a training run follows from the model, the adapter and the number of prompts, so
// that nobody has to search it for each model and dataset. Everything else of the recipe is a default of
// option_table.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shared/config/run_config.h"

namespace apportion {

struct RecipeInput {
  int64_t width = 0;  // of the model's residual stream
  LoraConfig lora = {};
  AdapterKind adapter = AdapterKind::lora;
  OptimizerKind optimizer = OptimizerKind::adamw;  // of stage 1
  int64_t prompts = 0;  // of the training set: subjects x wordings, framed ones, too
};

struct Recipe {
  int sft_steps = 0;
  double sft_learning_rate = 0, calibrate_learning_rate = 0;  // two significant digits
};

/// By rule; at width 576 and all seven linear layers, with AdamW, alpha 128, the upper half of the blocks and
/// 1680 prompts 420 steps (8 prompts each) at 1e-3, then 1e-4; with Muon, alpha 256, all blocks and 560
/// prompts 40 steps (16 each) at 1e-3, then 5e-5. Rates are in proportion to alpha^-1/2: a larger alpha lets
/// B, which starts at 0, learn faster than A, as LoRA+ does (arXiv 2402.12354). And to width^-1/2, the
/// largest that stays stable as models grow wider when B starts at 0 (arXiv 2406.08447, Init[A]). Steps are
/// in proportion to the prompts, at least 120 (Muon: 30) and at most most_steps; where all weights are
/// trained 240, and rates are their own.
Recipe recipe_of(const RecipeInput& input);

/// Puts a definite value in the place of `auto` for holdout_wordings, and leaves out test sets that have no
/// prompts; where none remains, training wordings are measured. What changed in the test sets is said in a
/// line each. Throws UserError where none remains of sets that the dataset alone could have, and what
/// parse_dataset and find_dataset throw. The same on all ranks.
std::vector<std::string> resolve_test_sets(RunConfig& config);

/// Puts definite values in the place of `auto` for sft_steps, sft_learning_rate and calibrate_learning_rate;
/// reads dataset and model for it, and nothing when none is left open. The same on all ranks. Throws what
/// parse_dataset, find_dataset and shape_of_model do.
void resolve_recipe(RunConfig& config);

/// Puts what the adapter of adapter_in is made like in the place of lora_rank and the others. Throws
/// UserError where one of these is set otherwise, where all weights are trained, as read_peft_config, and for
/// a name in lora_targets that is none of the model's layers.
void resolve_adapter(RunConfig& config);

}  // namespace apportion
