#include "shared/base/processor_limits.h"

#include <algorithm>
#include <fstream>

#include "shared/base/control_groups.h"

namespace apportion {
namespace {

/// Processor time as a number of processors (quota over period); "max", -1 and missing files mean no limit.
double quota_of(const ControlGroup& group) {
  double quota = 0, period = 0;
  if (group.version == 2) {
    std::ifstream file(group.folder + "/cpu.max");
    file >> quota >> period;
  } else {
    std::ifstream(group.folder + "/cpu.cfs_quota_us") >> quota;
    std::ifstream(group.folder + "/cpu.cfs_period_us") >> period;
  }
  return quota > 0 && period > 0 ? quota / period : no_limit;
}

}  // namespace

double processor_quota(const std::string& root) {
  double least = no_limit;
  for (const ControlGroup& group : control_groups("cpu", root)) least = std::min(least, quota_of(group));
  return least;
}

}  // namespace apportion
