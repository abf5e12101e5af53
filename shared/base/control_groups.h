// Where the control groups of this process (cgroups(7)) have their files: a container or a batch system
// limits it there. What the limits are is memory_limits.h's and processor_limits.h's.
#pragma once

#include <string>
#include <vector>

namespace apportion {

struct ControlGroup {
  int version;  // 1 or 2, which spell their files differently
  std::string folder;
};

/// The groups that this process is in, and those above them: version 2's, and version 1's that has the
/// `controller` ("memory", "cpu"). Files are read below `root`, for tests, and folders begin with it.
std::vector<ControlGroup> control_groups(const std::string& controller, const std::string& root);

}  // namespace apportion
