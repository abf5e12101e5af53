// A mapped file that is cut, or whose disk fails, while it is read: the system then ends the process with
// SIGBUS. The handler here says which file it was. Which files are mapped is file_system.h's to tell.
#pragma once

#include <cstddef>
#include <string>

namespace apportion {

/// `address` and `size` of a mapping of the file `path`; as many as a program of ours has at a time are kept.
void remember_mapping(const char* address, size_t size, const std::string& path);
void forget_mapping(const char* address);

/// From now on a bus error inside of a mapping is one line that names the file, and exit code 2; any other is
/// as it was. `rank` other than 0 waits a second before it speaks: mostly rank 0 has said it by then.
void install_bus_error_handler(int rank);

}  // namespace apportion
