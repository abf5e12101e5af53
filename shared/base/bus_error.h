// Says which file it was when a mapped file shrinks, or its disk fails, while it is being read: the system
// then ends the process with SIGBUS, which the handler here catches. file_system.h reports the mapped files.
#pragma once

#include <cstddef>
#include <string>

namespace apportion {

/// Records the mapping of the file `path` at `address`, `size` bytes; there is room for as many as our
/// programs use.
void remember_mapping(const char* address, size_t size, const std::string& path);
void forget_mapping(const char* address);

/// From now on a bus error inside a mapping prints one line that names the file and exits with code 2; any
/// other keeps its effect. Any `rank` but 0 waits a second before it speaks, since rank 0 has mostly said it
/// by then.
void install_bus_error_handler(int rank);

}  // namespace apportion
