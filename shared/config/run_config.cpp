#include "shared/config/run_config.h"

#include <fmt/format.h>

#include "shared/base/error.h"
#include "shared/config/method.h"
#include "shared/config/option_table.h"
#include "shared/config/path_text.h"

namespace apportion {
namespace {

/// Where each key's value came from.
using Sources = std::map<std::string, std::string>;

void assign_setting(RunConfig& config, const Setting& setting) {
  const Option* option = find_option(setting.key);
  if (!option) {
    throw UserError(fmt::format("{}: unknown key '{}'; did you mean '{}'?", setting.source,
                                printable(setting.key), nearest_key(setting.key)));
  }
  const auto where = [&] {
    return fmt::format("{}: {} = '{}'", setting.source, setting.key, printable(setting.value));
  };
  const std::string value = option->path ? fill_in_path(setting.value, where()) : setting.value;
  if (!option->assign(config, value)) throw UserError(where() + " must be " + option->allowed);
}

/// Notes which LoRA keys the user set.
void note_given(RunConfig& config, const Setting& setting) {
  if (setting.key.starts_with("lora_")) config.given_lora.insert(setting.key);
}

/// "micro_batches = 32 (jobs/x.ini, line 3)".
std::string quote(const RunConfig& config, const Sources& sources, const std::string& key) {
  auto found = sources.find(key);
  return fmt::format("{} = {} ({})", key, find_option(key)->print(config),
                     found == sources.end() ? "default" : found->second);
}

/// Whether a stage of the method has this term with a weight above 0.
bool trains_with(const RunConfig& config, LossTerm term) {
  if (term == LossTerm::kto && config.calibrate.kto_weight == 0) return false;
  for (const Stage& stage : stages_of(config.method, config.steering)) {
    if (stage.has(term)) return true;
  }
  return false;
}

/// Full fine-tuning moves every weight: rates that suit the few of a fresh adapter are a hundred times too
/// large.
void choose_learning_rates(RunConfig& config) {
  if (config.adapter != AdapterKind::none) return;
  if (config.sft.learning_rate == 0) resolve_option(config, "sft_learning_rate", "5e-05");
  if (config.calibrate.learning_rate == 0) resolve_option(config, "calibrate_learning_rate", "1e-05");
}

/// Refuses what plain answers cannot have when paths stand for categories.
void check_paths(const RunConfig& config, const Sources& sources) {
  const std::vector<Stage> stages = stages_of(config.method, config.steering);
  if (stages.empty() || stages.front().answers != AnswerStyle::paths) return;
  if (config.method == Method::kto_only) {
    throw UserError(fmt::format(
        "{} needs rejected answers, a steering token with another category's text, which {} does not have; "
        "method kl-only or full, or another steering",
        quote(config, sources, "method"), quote(config, sources, "steering")));
  }
  if (config.sft.weights == SftWeights::split) {
    throw UserError(
        fmt::format("{} weighs the first token apart, but with {} it stands for no category; it must be "
                    "sequence or token_mean",
                    quote(config, sources, "sft_weights"), quote(config, sources, "steering")));
  }
  if (config.method == Method::full && config.calibrate.kl_weight == 0) {
    throw UserError(
        fmt::format("{} leaves stage 2 without a loss, since with {} it is the KL alone; it must "
                    "be above 0, or method sft",
                    quote(config, sources, "kl_weight"), quote(config, sources, "steering")));
  }
}

/// A server's address is stored and shown, so it may hold no user, password or query.
void check_judge(const RunConfig& config, const Sources& sources) {
  const std::string& name = config.judge.name;
  if (name == lexical_judge || name == local_judge) return;
  const bool url = name.starts_with("https://") || name.starts_with("http://");
  if (!url || name.find_first_of("@?# ") != std::string::npos) {
    // Its value is not shown: it may hold a key.
    throw UserError(fmt::format(
        "judge ({}) must be lexical, local, or the address of a server as https://HOST/v1, without "
        "user or key in it",
        sources.at("judge")));
  }
  if (config.judge.model.empty()) {
    throw UserError(fmt::format("{} needs judge_model, the server's name of the model that judges",
                                quote(config, sources, "judge")));
  }
}

void check_together(const RunConfig& config, const Sources& sources) {
  if (trains_with(config, LossTerm::kto) && config.batch.batch_prompts < 2) {
    throw UserError(fmt::format("{} must be at least 2 with {}: KTO's mismatched pairs need two prompts",
                                quote(config, sources, "batch_prompts"), quote(config, sources, "method")));
  }
  if (config.batch.micro_batches > config.batch.batch_prompts) {
    throw UserError(fmt::format("{} must be at most {}", quote(config, sources, "micro_batches"),
                                quote(config, sources, "batch_prompts")));
  }
  if (config.method == Method::full && config.calibrate.kl_weight == 0 && config.calibrate.kto_weight == 0) {
    throw UserError(fmt::format("{} and {} leave stage 2 without a loss; one must be above 0, or method sft",
                                quote(config, sources, "kl_weight"), quote(config, sources, "kto_weight")));
  }
  const char* own_weight = config.method == Method::kl_only    ? "kl_weight"
                           : config.method == Method::kto_only ? "kto_weight"
                                                               : nullptr;
  if (own_weight && find_option(own_weight)->print(config) == "0") {
    throw UserError(fmt::format("{} leaves {} without a loss; it must be above 0",
                                quote(config, sources, own_weight), quote(config, sources, "method")));
  }
  check_paths(config, sources);
  check_judge(config, sources);
  if (config.adapter == AdapterKind::none &&
      (config.base.type != BaseType::compute || config.base.place != BasePlace::memory)) {
    throw UserError(fmt::format("{} trains all weights, so {} and {} must be compute and memory",
                                quote(config, sources, "adapter"), quote(config, sources, "base_type"),
                                quote(config, sources, "base_place")));
  }
  if (config.adapter == AdapterKind::none && config.story.answers == Answers::self) {
    throw UserError(
        fmt::format("{} trains all weights and leaves no untouched model to tell stories, so {} must "
                    "be dataset",
                    quote(config, sources, "adapter"), quote(config, sources, "answers")));
  }
  if (config.adapter == AdapterKind::none && config.sft.optimizer == OptimizerKind::muon) {
    throw UserError(fmt::format("{} trains all weights, so {} must be adamw",
                                quote(config, sources, "adapter"), quote(config, sources, "sft_optimizer")));
  }
  if (config.ranks.shard_size > 0 && config.ranks.group_size % config.ranks.shard_size != 0) {
    throw UserError(fmt::format("{} must be a multiple of {}", quote(config, sources, "group_size"),
                                quote(config, sources, "shard_size")));
  }
  for (const auto& test_set : config.measure.test_sets) {
    if (test_set == "heldout" && config.data.holdout_wordings == 0) {
      throw UserError(
          fmt::format("{} needs held-out wordings, but {}; it must be at least 1, or test_sets without "
                      "heldout",
                      quote(config, sources, "test_sets"), quote(config, sources, "holdout_wordings")));
    }
  }
}

/// Whether other keys' defaults depend on this one.
bool chooses(const Setting& setting) {
  return setting.key == "method" || setting.key == "preset" || setting.key == "steering" ||
         setting.key == "adapter";
}

/// The defaults that the chosen method, preset, steering and adapter stand for; later ones win.
std::vector<Setting> chosen_defaults(const std::vector<Setting>& settings) {
  RunConfig chosen;
  for (const Setting& setting : settings) {
    if (chooses(setting)) assign_setting(chosen, setting);
  }
  const MethodDescription& method = description_of(chosen.method);
  const PresetSettings preset = settings_of(chosen.preset, chosen.method);
  const std::string of_preset = "preset " + find_option("preset")->print(chosen);
  std::vector<Setting> all;
  auto choose = [&](const char* because, std::initializer_list<std::pair<const char*, const char*>> values) {
    for (const auto& [key, value] : values) all.push_back({key, value, because});
  };
  auto choose_of_preset = [&] {
    for (const auto& [key, value] : preset.general) all.push_back({key, value, of_preset});
  };
  // Preset unheld is a recipe that steering and adapter then refine; the authors' settings win over both.
  if (chosen.preset == Preset::unheld) choose_of_preset();
  // Of these two the default schedule was not measured, so they keep the one of before.
  if (chosen.steering == Steering::path) {
    choose("default of steering path", {{"sft_weights", "sequence"},
                                        {"sft_optimizer", "adamw"},
                                        {"warmup_steps", "10"},
                                        {"schedule", "cosine"}});
  }
  if (chosen.adapter == AdapterKind::none) {
    choose("default of adapter none", {{"sft_optimizer", "adamw"},
                                       {"sft_text_every", "1"},
                                       {"sft_common_weight", "1"},
                                       {"warmup_steps", "10"},
                                       {"schedule", "cosine"}});
  }
  if (chosen.preset != Preset::unheld) choose_of_preset();
  for (const auto& [key, value] : method.defaults) all.push_back({key, value, "default of " + method.name});
  for (const auto& [key, value] : preset.of_method) all.push_back({key, value, of_preset});
  return all;
}

}  // namespace

const std::string& RunConfig::value(const std::string& key) const {
  for (const auto& [name, text] : resolved) {
    if (name == key) return text;
  }
  throw InternalError("unknown key of the configuration: " + key);
}

namespace {

/// Writes the key's current value into `resolved`.
void print_into_resolved(RunConfig& config, std::string_view key) {
  for (size_t place = 0; place < config.resolved.size(); ++place) {
    auto& [name, text] = config.resolved[place];
    if (name == key) text = option_table()[place]->print(config);
  }
}

}  // namespace

const CellConfigs::Draft& CellConfigs::draft_of(const std::vector<Setting>& own) {
  std::vector<Setting> settings;
  std::string key;
  for (const Setting& setting : own) {
    if (!chooses(setting)) continue;
    settings.push_back(setting);
    key += setting.key + "=" + setting.value + "\n";
  }
  if (const auto known = drafts_.find(key); known != drafts_.end()) return known->second;
  settings.insert(settings.begin(), settings_.begin(), settings_.end());
  Draft draft;
  for (const Option* option : option_table())
    assign_setting(draft.config, {option->key, option->default_value, "option table"});
  auto assign = [&](const Setting& setting) {
    assign_setting(draft.config, setting);
    draft.sources[setting.key] = setting.source;
  };
  for (const Setting& setting : chosen_defaults(settings)) assign(setting);
  for (const Setting& setting : settings) {
    assign(setting);
    note_given(draft.config, setting);
  }
  for (const Option* option : option_table())
    draft.config.resolved.emplace_back(option->key, option->print(draft.config));
  return drafts_[key] = std::move(draft);
}

RunConfig CellConfigs::config_of(const std::vector<Setting>& own) {
  auto [config, sources] = draft_of(own);
  for (const Setting& setting : own) {
    assign_setting(config, setting);
    sources[setting.key] = setting.source;
    note_given(config, setting);
  }
  for (const Setting& setting : own) print_into_resolved(config, setting.key);
  choose_learning_rates(config);
  check_together(config, sources);
  return std::move(config);
}

RunConfig make_run_config(const std::vector<Setting>& settings) {
  return CellConfigs(settings).config_of({});
}

RunConfig config_of_values(const std::map<std::string, std::string>& values) {
  for (const auto& [key, value] : values) {
    if (!find_option(key)) throw InternalError("a value of an unknown key: " + key);
  }
  RunConfig config;
  for (const Option* option : option_table()) {
    const auto given = values.find(option->key);
    const std::string& value = given == values.end() ? option->default_value : given->second;
    if (!option->assign(config, value))
      throw InternalError(fmt::format("{} cannot be '{}'", option->key, value));
    config.resolved.emplace_back(option->key, option->print(config));
  }
  return config;
}

const std::set<std::string>& course_keys() {
  static const std::set<std::string> keys = {"rounds",
                                             "sft_steps",
                                             "sft_learning_rate",
                                             "calibrate_steps",
                                             "calibrate_learning_rate",
                                             "kl_weight",
                                             "text_weight",
                                             "beta",
                                             "warmup_steps"};
  return keys;
}

KeySet::KeySet(const std::set<std::string>& keys) {
  for (const Option* option : option_table()) holds_.push_back(keys.contains(option->key));
}

std::string values_without(const RunConfig& config, const KeySet& keys) {
  std::string values;
  for (size_t place = 0; place < config.resolved.size(); ++place) {
    const std::string& value = config.resolved[place].second;
    if (value == "auto" || !keys.contains(place)) values += value;
    values += '\n';
  }
  return values;
}

void resolve_option(RunConfig& config, const std::string& key, const std::string& value) {
  const Option* option = find_option(key);
  if (!option || !option->assign(config, value)) {
    throw InternalError(fmt::format("cannot resolve {} to '{}'", key, value));
  }
  print_into_resolved(config, key);
}

std::map<std::string, std::string> identity_options(const RunConfig& config,
                                                    const std::vector<std::string>& keys) {
  std::map<std::string, std::string> identity;
  for (const auto& key : keys) {
    const Option* option = find_option(key);
    if (!option || option->identity == Identity::no) {
      throw InternalError("not an identity key of the option table: " + key);
    }
    identity[key] = config.value(key);
  }
  return identity;
}

}  // namespace apportion
