// What `apportion --help` prints: the commands. Keys are option_table.h's, and `apportion run --help` has
// them.
#pragma once

namespace apportion {

extern const char* const usage;

}  // namespace apportion
