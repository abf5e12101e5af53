// The option table as a page of documentation. docs/options.md is its output; a test proves that it is
// current. The terminal's help is in command_line.h, the table itself in option_table.h.
#pragma once

#include <string>

namespace apportion {

/// The whole text of docs/options.md.
std::string format_options_page();

}  // namespace apportion
