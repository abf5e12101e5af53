#include "shared/config/run_config.h"

#include <fmt/format.h>

#include "shared/base/error.h"
#include "shared/config/option_table.h"

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
  if (!option->assign(config, setting.value)) {
    throw UserError(fmt::format("{}: {} = '{}' must be {}", setting.source, setting.key,
                                printable(setting.value), option->allowed));
  }
}

/// "micro_batches = 32 (jobs/x.ini, line 3)".
std::string quote(const RunConfig& config, const Sources& sources, const std::string& key) {
  auto found = sources.find(key);
  return fmt::format("{} = {} ({})", key, find_option(key)->print(config),
                     found == sources.end() ? "default" : found->second);
}

void check_together(const RunConfig& config, const Sources& sources) {
  if (config.batch.micro_batches > config.batch.batch_prompts) {
    throw UserError(fmt::format("{} must be at most {}", quote(config, sources, "micro_batches"),
                                quote(config, sources, "batch_prompts")));
  }
  if (config.method == Method::full && config.calibrate.kl_weight == 0 && config.calibrate.kto_weight == 0) {
    throw UserError(fmt::format("{} and {} leave stage 2 without a loss; one must be above 0, or method sft",
                                quote(config, sources, "kl_weight"), quote(config, sources, "kto_weight")));
  }
  if (config.ranks.group_size % config.ranks.shard_size != 0) {
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

}  // namespace

const std::string& RunConfig::value(const std::string& key) const {
  for (const auto& [name, text] : resolved) {
    if (name == key) return text;
  }
  throw InternalError("unknown key of the configuration: " + key);
}

RunConfig make_run_config(const std::vector<Setting>& settings) {
  RunConfig config;
  Sources sources;
  for (const Option* option : option_table()) {
    assign_setting(config, {option->key, option->default_value, "option table"});
  }
  for (const Setting& setting : settings) {
    assign_setting(config, setting);
    sources[setting.key] = setting.source;
  }
  check_together(config, sources);
  for (const Option* option : option_table())
    config.resolved.emplace_back(option->key, option->print(config));
  return config;
}

void resolve_option(RunConfig& config, const std::string& key, const std::string& value) {
  const Option* option = find_option(key);
  if (!option || !option->assign(config, value)) {
    throw InternalError(fmt::format("cannot resolve {} to '{}'", key, value));
  }
  for (auto& [name, text] : config.resolved) {
    if (name == key) text = option->print(config);
  }
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
