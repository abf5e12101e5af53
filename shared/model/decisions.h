// Remembers what was found out for the keys that a sweep's cell leaves to the program (`auto`), so that cells
// which differ in nothing that matters to it need not find it out again.
#pragma once

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "shared/config/run_config.h"

namespace apportion {

class Decisions {
 public:
  /// Fills in what keep() stored for a configuration like this one; false when there is nothing.
  bool decide(RunConfig& config);
  /// `config` is what has become of the last one that decide() refused.
  void keep(const RunConfig& config);
  /// Number of the last configuration: configurations that are alike share one, counted from 0.
  size_t number() const { return number_; }

 private:
  struct Known {
    size_t number;
    std::vector<std::pair<std::string, std::string>> values;
  };
  std::unordered_map<std::string, Known> known_;
  size_t number_ = 0;
  std::string asked_;                                           // the key of the last one
  std::vector<std::pair<std::string_view, std::string>> open_;  // all of its values before
};

}  // namespace apportion
