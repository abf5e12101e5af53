// What `apportion --help` prints: the commands of command_table.h. Keys are option_table.h's, and
// `apportion run --help` has them.
#pragma once

#include <string>
#include <vector>

namespace apportion {

/// At most 110 columns wide.
std::string format_usage();

/// Lines of at most `width` bytes, broken at blanks; a longer word is a line.
std::vector<std::string> wrapped(const std::string& text, size_t width);

}  // namespace apportion
