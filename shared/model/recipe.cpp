#include "shared/model/recipe.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "shared/architecture/lora_targets.h"
#include "shared/base/error.h"
#include "shared/config/option_table.h"
#include "shared/data/dataset.h"
#include "shared/data/example.h"
#include "shared/data/target.h"
#include "shared/model_files/folder/peft_config.h"
#include "shared/model_files/model_files.h"

namespace apportion {
namespace {

// Where the rules start: SmolLM2-135M on gender-us-real, chosen on held-out training wordings.
constexpr double known_width = 576;
struct Known {
  double alpha, prompts, steps, least_steps, sft_rate, calibrate_rate, untuned_rate;
};
// The recipe with framed wordings and a hold, and the former one without either.
constexpr Known with_adamw = {128, 1680, 420, 120, 1e-3, 3e-5, 1e-4},
                with_muon = {256, 560, 40, 30, 1e-3, 5e-5, 5e-5};
constexpr double full_steps = 240;  // when all weights are trained

/// At most 1, the largest rate allowed.
double two_digits(double value) {
  if (value >= 1) return 1;
  const double unit = std::pow(10.0, std::floor(std::log10(value)) - 1);
  return std::round(value / unit) * unit;
}

void check_targets(const RunConfig& config) {
  // The default names all layers of any model.
  if (config.adapter == AdapterKind::lora && config.lora.targets != lora_target_names())
    check_lora_targets(shape_of_model(config.data.model), config.lora.targets);
}

}  // namespace

Recipe recipe_of(const RecipeInput& input) {
  const Known& known = input.optimizer == OptimizerKind::muon ? with_muon : with_adamw;
  const double rates =
      std::sqrt(known.alpha / input.lora.alpha * known_width / static_cast<double>(input.width));
  const double base_steps = input.adapter == AdapterKind::none ? full_steps : known.steps,
               steps = base_steps * static_cast<double>(input.prompts) / known.prompts;
  const double second_rate = input.untuned ? known.untuned_rate : known.calibrate_rate;
  return {static_cast<int>(std::lround(std::clamp(steps, known.least_steps, double{most_steps}))),
          two_digits(known.sft_rate * rates), two_digits(second_rate * rates)};
}

std::vector<std::string> resolve_test_sets(RunConfig& config) {
  const Dataset dataset = load_dataset(config.data);
  const bool chosen = config.data.holdout_wordings == automatic_holdout;
  if (chosen) resolve_option(config, "holdout_wordings", std::to_string(default_holdout(dataset)));
  std::vector<std::string> kept, lines;
  bool asks_heldout = false;
  for (const std::string& set : config.measure.test_sets) {
    asks_heldout = asks_heldout || set == "heldout";
    const std::string why = why_empty(dataset, set, config.data.holdout_wordings);
    if (why.empty()) {
      kept.push_back(set);
    } else {
      lines.push_back(fmt::format("test set {} is left out: {}", set, why));
    }
  }
  if (kept.empty() && asks_heldout && chosen) {
    kept.push_back("train");
    lines.emplace_back("so the training wordings are measured: test set train");
  }
  if (kept.empty())
    throw UserError(
        fmt::format("no test set has a prompt: {}; use test_sets = train", fmt::join(lines, "; ")));
  if (!lines.empty()) resolve_option(config, "test_sets", fmt::format("{}", fmt::join(kept, ",")));
  return lines;
}

void resolve_adapter(RunConfig& config) {
  const std::string& path = config.data.adapter_in;
  if (path.empty()) return check_targets(config);
  if (config.adapter == AdapterKind::none)
    throw UserError("adapter_in = " + printable(path) + " goes on with an adapter, so adapter must be lora");
  RunConfig own = config;
  own.lora = read_peft_config(path, shape_of_model(config.data.model).layers);
  for (const char* key : {"lora_rank", "lora_alpha", "lora_targets", "lora_layers"}) {
    const Option& option = *find_option(key);
    const std::string value = option.print(own);
    if (!option.assign(own, value)) {
      throw UserError(fmt::format("the adapter {} has {} = {}; it must be {}", printable(path), key,
                                  printable(value), option.allowed));
    }
    const std::string canonical = option.print(own);
    if (canonical == config.value(key)) continue;
    if (config.given_lora.contains(key)) {
      throw UserError(fmt::format("{} = {}, but the adapter {} has {}; leave the key out", key,
                                  config.value(key), printable(path), canonical));
    }
    resolve_option(config, key, canonical);
  }
  check_targets(config);
}

void resolve_recipe(RunConfig& config) {
  const bool open =
      config.sft.steps == 0 || config.sft.learning_rate == 0 || config.calibrate.learning_rate == 0;
  if (!open) return;
  const Dataset dataset = load_dataset(config.data);
  const auto prompts = training_prompts(dataset, config.data);
  const Recipe recipe = recipe_of({shape_of_model(config.data.model).width, config.lora, config.adapter,
                                   config.sft.optimizer, static_cast<int64_t>(prompts.size()),
                                   config.method == Method::dpo || config.steering == Steering::path});
  if (config.sft.steps == 0) resolve_option(config, "sft_steps", std::to_string(recipe.sft_steps));
  if (config.sft.learning_rate == 0)
    resolve_option(config, "sft_learning_rate", fmt::format("{:.2g}", recipe.sft_learning_rate));
  if (config.calibrate.learning_rate == 0)
    resolve_option(config, "calibrate_learning_rate", fmt::format("{:.2g}", recipe.calibrate_learning_rate));
}

}  // namespace apportion
