// What was found out for the keys that a cell of a sweep leaves to the program (`auto`), so that cells which
// differ in nothing that it depends on need not find it out again.
#pragma once

#include <map>
#include <string>
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

 private:
  using Values = std::vector<std::pair<std::string, std::string>>;
  std::map<std::string, Values> known_;
  std::string asked_;  // the key of the last one
  Values open_;        // all of its values before
};

}  // namespace apportion
