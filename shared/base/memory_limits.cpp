#include "shared/base/memory_limits.h"

#include <sys/resource.h>

#include <algorithm>
#include <fstream>

#include "shared/base/control_groups.h"

namespace apportion {
namespace {

/// The number after `word` in a file; `otherwise` when there is none.
double number_after(const std::string& file, const std::string& word, double otherwise) {
  std::ifstream in(file);
  for (std::string found; in >> found;) {
    if (double number = 0; found == word && in >> number) return number;
  }
  return otherwise;
}

/// The number at the start of a file; "max" and missing files mean no limit.
double first_number(const std::string& file) {
  std::ifstream in(file);
  double number = 0;
  return in >> number ? number : no_limit;
}

/// The memory that the group has left; the two versions name their files differently.
double left_in_group(const ControlGroup& group) {
  const bool first = group.version == 1;
  const double limit = first_number(group.folder + (first ? "/memory.limit_in_bytes" : "/memory.max")),
               used = first_number(group.folder + (first ? "/memory.usage_in_bytes" : "/memory.current"));
  if (limit == no_limit || used == no_limit) return no_limit;
  const std::string cached = first ? "total_inactive_file" : "inactive_file";
  return std::max(0.0, limit - used + number_after(group.folder + "/memory.stat", cached, 0));
}

}  // namespace

double available_memory(int local_ranks, const std::string& root) {
  double left = kibi * number_after(root + "/proc/meminfo", "MemAvailable:", no_limit);
  for (const ControlGroup& group : control_groups("memory", root))
    left = std::min(left, left_in_group(group));
  return left / local_ranks;
}

double memory_below_limits() {
  double left = no_limit;
  for (const auto& [resource, used] : {std::pair(RLIMIT_DATA, "VmData:"), std::pair(RLIMIT_AS, "VmSize:")}) {
    rlimit limit = {};
    if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) continue;
    const double bytes = kibi * number_after("/proc/self/status", used, 0);
    left = std::min(left, std::max(0.0, static_cast<double>(limit.rlim_cur) - bytes));
  }
  return left;
}

}  // namespace apportion
