// The one recipe: what of a training run follows from the model, the adapter and the number of prompts, so
// that nobody has to search it for each model and dataset. Everything else of the recipe is a default of
// option_table.cpp.
#pragma once

#include <cstdint>

#include "shared/config/run_config.h"

namespace apportion {

struct RecipeInput {
  int64_t width = 0;  // of the model's residual stream
  LoraConfig lora = {};
  int64_t prompts = 0;  // of the training set: subjects x wordings
};

struct Recipe {
  int sft_steps = 0;
  double sft_learning_rate = 0, calibrate_learning_rate = 0;  // two significant digits
};

/// By rule; at width 576, alpha 16, all seven linear layers and 560 prompts: 120 steps at 4e-3, then 2e-4.
///   rates: in proportion to 1 / alpha, since a step of Adam moves a layer's output by about alpha x rate
///   (alpha
///     / rank, times a sum over the rank); and to width^-1/2, the largest that stays stable as models grow
///     wider when B starts at 0 (arXiv 2406.08447, Init[A]).
///   steps: in proportion to the square root of the prompts, at least 40.
Recipe recipe_of(const RecipeInput& input);

/// Puts definite values in the place of `auto` for sft_steps, sft_learning_rate and calibrate_learning_rate;
/// reads dataset and model for it, and nothing when none is left open. The same on all ranks. Throws what
/// parse_dataset, find_dataset and shape_of_model do.
void resolve_recipe(RunConfig& config);

}  // namespace apportion
