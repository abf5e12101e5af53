// Standard output that carries a program's result: all of it arrives, or the program says that it did not.
// Progress on standard error is coordinator/status.h's, which never fails.
#pragma once

#include <string_view>

namespace apportion {

/// Opens /dev/null for each closed descriptor from 0 to 2, so that no file of ours gets one of them and, with
/// it, what is printed. Call it before anything else is opened.
void open_standard_descriptors();

/// Prints and flushes. Throws UserError with the system's reason when not all of it could be written.
void print_output(std::string_view text);

}  // namespace apportion
