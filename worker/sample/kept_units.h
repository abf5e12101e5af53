// Measured units of a measure task, kept on disk when the task has to be left, so that only the others
// remain. A unit's result does not depend on who measured it, so whoever runs the task next uses what is
// there.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "shared/link/message.h"

namespace apportion {

class KeptUnits {
 public:
  /// Keeps units in `folder`, for one task, whose units have `unit_prompts` prompts.
  KeptUnits(std::string folder, std::string task_id, int unit_prompts);

  /// The units that earlier runs have kept, by number. Skips a file that is damaged or of another version;
  /// `warn` gets a line that names it.
  std::map<int, Histogram> load(const std::function<void(const std::string&)>& warn) const;

  /// Call from any thread, one call at a time.
  void add(const Histogram& unit) { encoded_[unit.unit] = encode(unit); }

  size_t size() const { return encoded_.size(); }

  /// Writes the added units, as rank `rank` of `ranks`; writes nothing if there are none. Throws UserError
  /// when it cannot.
  void save(int rank, int ranks) const;

 private:
  std::string folder_, task_id_;
  int unit_prompts_;
  std::map<int, std::string> encoded_;
};

}  // namespace apportion
