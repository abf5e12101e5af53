// Memory that this process could still take, as far as the system tells: the machine's, its control groups',
// its own limits. What the program would need of it is model/memory.h's, a GPU's memory worker/device.h's.
#pragma once

#include <string>

namespace apportion {

/// Bytes that each of `local_ranks` processes of this machine could still take: its part of what the machine
/// has available (MemAvailable, proc(5)) and of what each control group above this process leaves (version 2,
/// or 1's memory controller; cached files count as free). What the system does not say is no limit; infinity
/// when it says nothing. Files are read below `root`, for tests.
double available_memory(int local_ranks, const std::string& root = "");

/// Bytes left below this process's own limits, RLIMIT_DATA (`ulimit -d`) and RLIMIT_AS (`ulimit -v`);
/// infinity without any.
double memory_below_limits();

}  // namespace apportion
