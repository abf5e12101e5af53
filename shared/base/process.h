// Names a process so that others can tell later whether it still runs.
#pragma once

#include <string>

namespace apportion {

/// A process number may be reused, its start time not. `host` ends in its boot and its process namespace,
/// since containers on one host may share the name.
struct ProcessName {
  std::string process, start, host;
  bool operator==(const ProcessName&) const = default;
};

ProcessName own_process();

/// "node1".
std::string host_name();

/// Whether this process can tell that `process` has ended; false for one on another host.
bool is_gone(const ProcessName& process);
/// Whether it runs on this host and in this namespace, so that is_gone() can tell.
bool is_here(const ProcessName& process);

}  // namespace apportion
