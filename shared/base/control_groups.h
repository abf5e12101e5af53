// Finds the files of this process's control groups (cgroups(7)), through which a container or batch system
// limits it. memory_limits.h and processor_limits.h read the limits.
#pragma once

#include <limits>
#include <string>
#include <vector>

namespace apportion {

/// The limit of a group that sets none.
inline constexpr double no_limit = std::numeric_limits<double>::infinity();

struct ControlGroup {
  int version;  // 1 or 2, with different file names
  std::string folder;
};

/// The groups that this process is in, and their parents: those of version 2, and those of version 1 with the
/// `controller` ("memory", "cpu"). Files are read below `root`, for tests, and folders begin with it.
std::vector<ControlGroup> control_groups(const std::string& controller, const std::string& root);

}  // namespace apportion
