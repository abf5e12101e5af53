// What was found out for the keys that a cell of a sweep leaves to the program (`auto`), so that cells which
// differ in nothing that it depends on need not find it out again.
#pragma once

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "shared/config/run_config.h"

namespace apportion {

class Decisions {
 public:
  /// Puts in what keep() was told of a configuration like this one; false when there was none.
  bool decide(RunConfig& config);
  /// `config` is what the last one that decide() refused has become.
  void keep(const RunConfig& config);
  /// Of the last configuration: those that are like it have the same number, from 0 on.
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
