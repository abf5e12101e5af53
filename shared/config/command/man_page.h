// The manual page, from the tables of commands and keys.
#pragma once

#include <string>

namespace apportion {

/// apportion(1) as groff's man macros read it, in ASCII.
std::string format_man_page();

}  // namespace apportion
