// The one recipe: what the model, the adapter and the number of prompts decide about a training run, so that
// nobody has to search for it per model and dataset. Everything else in the recipe is a default in
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
  OptimizerKind optimizer = OptimizerKind::adamw;  // stage 1's
  int64_t prompts = 0;   // in the training set: subjects x wordings, including framed ones
  bool untuned = false;  // stage 2 is one whose rate nothing was chosen on: dpo, steering = path
};

struct Recipe {
  int sft_steps = 0;
  double sft_learning_rate = 0, calibrate_learning_rate = 0;  // two significant digits
};

/// The rules. With width 576, all seven linear layers, AdamW, alpha 128, the upper half of the blocks and
/// 1680 prompts: 420 steps (8 prompts each) at 1e-3, then 3e-5 (1e-4 if untuned). With Muon, alpha 256, all
/// blocks and 560 prompts: 40 steps (16 each) at 1e-3, then 5e-5. Rates scale with alpha^-1/2: a larger alpha
/// lets B, which starts at 0, learn faster than A, as LoRA+ does (arXiv 2402.12354). They also scale with
/// width^-1/2, the largest that stays stable as models grow wider when B starts at 0 (arXiv 2406.08447,
/// Init[A]). Steps are proportional to the prompts, at least 120 (Muon: 30) and at most most_steps; when all
/// weights are trained, 240 steps replace the 420, and rates are their own.
Recipe recipe_of(const RecipeInput& input);

/// Replaces `auto` for holdout_wordings and drops test sets without prompts. If none remains, heldout was
/// asked for and holdout_wordings was `auto`, training wordings are measured; otherwise throws UserError.
/// Returns a line for each change to the test sets. Also throws what parse_dataset and find_dataset do. The
/// same on all ranks.
std::vector<std::string> resolve_test_sets(RunConfig& config);

/// Replaces `auto` for sft_steps, sft_learning_rate and calibrate_learning_rate, reading dataset and model
/// for it; reads nothing when none is open. The same on all ranks. Throws what parse_dataset, find_dataset
/// and shape_of_model do.
void resolve_recipe(RunConfig& config);

/// Sets lora_rank and the other LoRA keys to those of the adapter adapter_in. Throws UserError when one of
/// these is set to something else, when all weights are trained, and for a name in lora_targets that is none
/// of the model's layers; also throws what read_peft_config does.
void resolve_adapter(RunConfig& config);

}  // namespace apportion
