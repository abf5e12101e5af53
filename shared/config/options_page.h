// The option table as a page of documentation: docs/options.md is its output, and a test checks that it is
// current. The terminal's help is in command/words.h, the table itself in option_table.h.
#pragma once

#include <string>

namespace apportion {

/// The whole text of docs/options.md.
std::string format_options_page();

}  // namespace apportion
