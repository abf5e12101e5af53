#include "shared/model/decisions.h"

#include <set>

#include "shared/base/error.h"

namespace apportion {
namespace {

/// Everything except the shares to follow and the course of training once its size is known, on which no
/// decision depends. Includes kto_weight: above 0 a step has other answers.
std::string key_of(const RunConfig& config) {
  static const KeySet apart = [] {
    std::set<std::string> keys = course_keys();
    keys.insert({"seed", "target"});
    return KeySet(keys);
  }();
  return values_without(config, apart);
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
    if (config.resolved[i].second != open_[i].second)
      known.values.emplace_back(config.resolved[i].first, config.resolved[i].second);
  }
}

}  // namespace apportion
