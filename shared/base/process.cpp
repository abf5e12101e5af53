#include "shared/base/process.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

namespace apportion {
namespace {

/// Field 22 of /proc/PROCESS/stat, proc(5); empty when there is no such process. A zombie counts as ended.
std::string start_of(const std::string& process) {
  std::ifstream file("/proc/" + process + "/stat");
  std::string line, field;
  std::getline(file, line);
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return "";
  std::istringstream fields(line.substr(name_end + 1));
  for (int number = 3; number <= 22; ++number) {
    fields >> field;
    if (number == 3 && (field == "Z" || field == "X")) return "";
  }
  return field;
}

std::string place() {
  std::array<char, 256> space = {};
  const ssize_t size = ::readlink("/proc/self/ns/pid", space.data(), space.size() - 1);
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string boot;
  file >> boot;
  return host_name() + "/" + boot + "/" +
         std::string(space.data(), static_cast<size_t>(std::max<ssize_t>(size, 0)));
}

}  // namespace

std::string host_name() {
  std::array<char, 256> name = {};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown";
}

ProcessName own_process() {
  const std::string process = std::to_string(::getpid());
  return {process, start_of(process), place()};
}

bool is_here(const ProcessName& process) { return !process.process.empty() && process.host == place(); }

bool is_gone(const ProcessName& process) {
  return is_here(process) && start_of(process.process) != process.start;
}

}  // namespace apportion
