// Processor time that this process may have, beside the processors that it may run on (config/rank_env.h).
#pragma once

#include <string>

namespace apportion {

/// The processors' worth of time that the tightest control group of this process has (version 2's cpu.max, or
/// 1's cpu controller), shared by all that is in the group; infinity without a quota. Files are read below
/// `root`, for tests.
double processor_quota(const std::string& root = "");

}  // namespace apportion
