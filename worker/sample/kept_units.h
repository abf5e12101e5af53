// Units of a measure task that are measured, kept on disk when the task has to be left, so that it goes on
// with the others. A unit's result does not depend on who measured it, so whoever runs the task next takes
// what it finds.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "shared/link/message.h"

namespace apportion {

class KeptUnits {
 public:
  /// In `folder`, of one task, whose units have so many prompts.
  KeptUnits(std::string folder, std::string task_id, int unit_prompts);

  /// Those that earlier runs have kept, by their number. A file that is damaged, or of another version, is
  /// passed over: `warn` gets a line that says which.
  std::map<int, Histogram> load(const std::function<void(const std::string&)>& warn) const;

  /// From any thread, one at a time.
  void add(const Histogram& unit) { encoded_[unit.unit] = encode(unit); }

  size_t size() const { return encoded_.size(); }

  /// Writes what was added, as rank `rank` of `ranks`; nothing without any. Throws UserError when it cannot.
  void save(int rank, int ranks) const;

 private:
  std::string folder_, task_id_;
  int unit_prompts_;
  std::map<int, std::string> encoded_;
};

}  // namespace apportion
