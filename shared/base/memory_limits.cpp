#include "shared/base/memory_limits.h"

#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <limits>

namespace apportion {
namespace {

constexpr double kibi = 1024;
constexpr double no_limit = std::numeric_limits<double>::infinity();

/// The number behind `word` in a file; `otherwise` when there is none.
double number_after(const std::string& file, const std::string& word, double otherwise) {
  std::ifstream in(file);
  for (std::string found; in >> found;) {
    if (double number = 0; found == word && in >> number) return number;
  }
  return otherwise;
}

/// The number that a file starts with; "max" and absent files are no limit.
double first_number(const std::string& file) {
  std::ifstream in(file);
  double number = 0;
  return in >> number ? number : no_limit;
}

/// How a version of control groups spells its files.
struct GroupFiles {
  std::string hierarchy, limit, used, cached;
};
const GroupFiles version_1 = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
                              "total_inactive_file"};
const GroupFiles version_2 = {"/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"};

double left_in_group(const std::string& folder, const GroupFiles& files) {
  const double limit = first_number(folder + "/" + files.limit),
               used = first_number(folder + "/" + files.used);
  if (limit == no_limit || used == no_limit) return no_limit;
  return std::max(0.0, limit - used + number_after(folder + "/memory.stat", files.cached, 0));
}

/// The least that `path` ("/a/b", as in /proc/self/cgroup) and the groups above it leave.
double left_in_groups(const std::string& root, std::string path, const GroupFiles& files) {
  double left = left_in_group(root + files.hierarchy, files);
  while (path.size() > 1) {
    left = std::min(left, left_in_group(root + files.hierarchy + path, files));
    path.resize(path.rfind('/'));
  }
  return left;
}

}  // namespace

double available_memory(int local_ranks, const std::string& root) {
  double left = kibi * number_after(root + "/proc/meminfo", "MemAvailable:", no_limit);
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "NUMBER:CONTROLLERS:PATH"
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1),
                      path = line.substr(second + 1);
    if (controllers.empty()) left = std::min(left, left_in_groups(root, path, version_2));
    if (("," + controllers + ",").find(",memory,") != std::string::npos)
      left = std::min(left, left_in_groups(root, path, version_1));
  }
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
