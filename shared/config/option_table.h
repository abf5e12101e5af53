// THE list of keys: the command line, job files, the echo of the configuration in result files,
// --dump-defaults and docs/options.md all come from it. option.h says how one key works; run_config.h is the
// typed result.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shared/config/option.h"

namespace apportion {

// Upper ends are far above any use; they keep products of sizes inside 64 bits and refuse absurd allocations.
/// The most steps, and the most prompts, that a key accepts.
constexpr uint64_t most_steps = 1'000'000;
constexpr uint64_t most_prompts = 65'536;

/// Keys that belong together, for the help.
struct OptionGroup {
  std::string title;
  std::vector<Option> options;
};

/// All groups with all keys, in the order people read them.
const std::vector<OptionGroup>& option_groups();

/// All keys in the same order.
const std::vector<const Option*>& option_table();

/// The option with that key, or nullptr.
const Option* find_option(const std::string& key);

/// The known key nearest to `key`.
std::string nearest_key(const std::string& key);

}  // namespace apportion
