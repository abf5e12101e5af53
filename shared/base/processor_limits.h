// Processor time that this process may have; config/rank_env.h covers the processors it may run on.
#pragma once

#include <string>

namespace apportion {

/// Processors' worth of time that this process's tightest control group allows (version 2's cpu.max, or
/// version 1's cpu controller), shared by everything in the group; infinity without a quota. Files are read
/// below `root`, for tests.
double processor_quota(const std::string& root = "");

}  // namespace apportion
