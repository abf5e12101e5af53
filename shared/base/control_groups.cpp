#include "shared/base/control_groups.h"

#include <fstream>

namespace apportion {
namespace {

/// Adds the group at `path` ("/a/b", as in /proc/self/cgroup) below `hierarchy`, and its parents.
void add_groups(int version, const std::string& hierarchy, std::string path,
                std::vector<ControlGroup>& groups) {
  groups.push_back({version, hierarchy});
  while (path.size() > 1) {
    groups.push_back({version, hierarchy + path});
    path.resize(path.rfind('/'));
  }
}

}  // namespace

std::vector<ControlGroup> control_groups(const std::string& controller, const std::string& root) {
  const std::string hierarchies = root + "/sys/fs/cgroup";
  std::vector<ControlGroup> groups;
  std::ifstream lines(root + "/proc/self/cgroup");
  for (std::string line; std::getline(lines, line);) {  // "NUMBER:CONTROLLERS:PATH"
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1),
                      path = line.substr(second + 1);
    if (controllers.empty()) add_groups(2, hierarchies, path, groups);
    if (("," + controllers + ",").find("," + controller + ",") != std::string::npos)
      add_groups(1, hierarchies + "/" + controller, path, groups);
  }
  return groups;
}

}  // namespace apportion
