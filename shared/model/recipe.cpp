#include "shared/model/recipe.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "shared/config/option_table.h"
#include "shared/data/catalogue.h"
#include "shared/data/dataset.h"
#include "shared/data/example.h"
#include "shared/model/shape_text.h"

namespace apportion {
namespace {

// What the rules start from: SmolLM2-135M on gender-us-real, chosen on held-out training wordings.
constexpr double known_width = 576, known_prompts = 560;
struct Known {
  double alpha, steps, sft_rate, calibrate_rate;
};
constexpr Known with_adamw = {128, 140, 1e-3, 2.5e-4}, with_muon = {256, 40, 1e-3, 5e-5};
constexpr double full_steps = 240;  // where all weights are trained
constexpr double least_steps = 30;

/// At most 1, which is all that a rate may be.
double two_digits(double value) {
  if (value >= 1) return 1;
  const double unit = std::pow(10.0, std::floor(std::log10(value)) - 1);
  return std::round(value / unit) * unit;
}

}  // namespace

Recipe recipe_of(const RecipeInput& input) {
  const Known& known = input.optimizer == OptimizerKind::muon ? with_muon : with_adamw;
  const double rates =
      std::sqrt(known.alpha / input.lora.alpha * known_width / static_cast<double>(input.width));
  const double base_steps = input.adapter == AdapterKind::none ? full_steps : known.steps,
               steps = base_steps * static_cast<double>(input.prompts) / known_prompts;
  return {static_cast<int>(std::lround(std::clamp(steps, least_steps, double{most_steps}))),
          two_digits(known.sft_rate * rates), two_digits(known.calibrate_rate * rates)};
}

void resolve_recipe(RunConfig& config) {
  const bool open =
      config.sft.steps == 0 || config.sft.learning_rate == 0 || config.calibrate.learning_rate == 0;
  if (!open) return;
  const Dataset dataset = parse_dataset(find_dataset(config.data.dataset));
  const auto prompts = training_prompts(dataset, config.data);
  const Recipe recipe = recipe_of({shape_of_model(config.data.model).width, config.lora, config.adapter,
                                   config.sft.optimizer, static_cast<int64_t>(prompts.size())});
  if (config.sft.steps == 0) resolve_option(config, "sft_steps", std::to_string(recipe.sft_steps));
  if (config.sft.learning_rate == 0)
    resolve_option(config, "sft_learning_rate", fmt::format("{:.2g}", recipe.sft_learning_rate));
  if (config.calibrate.learning_rate == 0)
    resolve_option(config, "calibrate_learning_rate", fmt::format("{:.2g}", recipe.calibrate_learning_rate));
}

}  // namespace apportion
