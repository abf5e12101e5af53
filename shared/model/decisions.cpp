#include "shared/model/decisions.h"

#include <set>

#include "shared/base/error.h"

namespace apportion {
namespace {

/// Keys that no decision depends on: shares to follow, and how training goes once its size is known. Not
/// kto_weight: above 0 a step has other answers.
const std::set<std::string> apart = {"seed",
                                     "target",
                                     "rounds",
                                     "sft_steps",
                                     "sft_learning_rate",
                                     "calibrate_steps",
                                     "kl_weight",
                                     "text_weight",
                                     "calibrate_learning_rate",
                                     "beta",
                                     "warmup_steps"};

std::string key_of(const RunConfig& config) {
  std::string key;
  for (const auto& [name, value] : config.resolved) {
    const bool open = value == "auto";
    key += apart.contains(name) && !open ? "\n" : value + "\n";
  }
  return key;
}

}  // namespace

bool Decisions::decide(RunConfig& config) {
  asked_ = key_of(config);
  const auto known = known_.find(asked_);
  if (known == known_.end()) {
    open_ = config.resolved;
    return false;
  }
  number_ = known->second.number;
  for (const auto& [key, value] : known->second.values) resolve_option(config, key, value);
  return true;
}

void Decisions::keep(const RunConfig& config) {
  ensure(config.resolved.size() == open_.size(),
         "decisions are kept of the configuration that was asked for");
  number_ = known_.size();
  Known& known = known_[asked_];
  known.number = number_;
  for (size_t i = 0; i < open_.size(); ++i) {
    if (config.resolved[i].second != open_[i].second) known.values.push_back(config.resolved[i]);
  }
}

}  // namespace apportion
