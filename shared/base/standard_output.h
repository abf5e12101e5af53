// Standard output as a program's result has it: all of it arrives, or the program says that it did not.
// Progress on standard error is coordinator/status.h's, which never fails.
#pragma once

#include <string_view>

namespace apportion {

/// Opens /dev/null for each of the descriptors 0 to 2 that is closed, so that no file of ours gets one of
/// them and with it what is printed. To be called before anything else is opened.
void open_standard_descriptors();

/// Prints and flushes. Throws UserError with the system's reason when not all of it could be written.
void print_output(std::string_view text);

}  // namespace apportion
