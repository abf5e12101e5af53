// Memory that this process could still take, as far as the system tells: within the machine's, its control
// groups' and its own limits. model/memory.h says what the program would need; worker/device.h covers a GPU's
// memory.
#pragma once

#include <string>

namespace apportion {

// Bytes in a KiB, a MiB and a GiB.
inline constexpr double kibi = 1024, mebi = 1024 * kibi, gibi = 1024 * mebi;

/// Bytes that each of `local_ranks` processes on this machine could still take: its share of the machine's
/// available memory (MemAvailable, proc(5)) and of what each control group above this process has left
/// (version 2, or version 1's memory controller; cached files count as free). What the system does not report
/// is no limit; infinity when it reports nothing. Files are read below `root`, for tests.
double available_memory(int local_ranks, const std::string& root = "");

/// Bytes left under this process's own limits, RLIMIT_DATA (`ulimit -d`) and RLIMIT_AS (`ulimit -v`);
/// infinity when there are none.
double memory_below_limits();

}  // namespace apportion
