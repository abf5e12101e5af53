// What `apportion --help` prints: the commands of command_table.h. `apportion run --help` shows the keys of
// option_table.h.
#pragma once

#include <string>
#include <vector>

namespace apportion {

/// At most 110 columns wide.
std::string format_usage();

/// Lines of at most `width` bytes, broken at blanks; a longer word gets its own line.
std::vector<std::string> wrapped(const std::string& text, size_t width);

}  // namespace apportion
