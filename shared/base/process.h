// Which process something belongs to, as others can tell later whether it still runs.
#pragma once

#include <string>

namespace apportion {

/// A process's number may be given again, its start not. `host` has its boot and its namespace of processes
/// behind it, since containers of one host may share the name.
struct ProcessName {
  std::string process, start, host;
  bool operator==(const ProcessName&) const = default;
};

ProcessName own_process();

/// "node1".
std::string host_name();

/// Whether it can be seen from here that the process has ended; false for one of another host.
bool is_gone(const ProcessName& process);
/// Whether it runs where this one does, so that is_gone() knows.
bool is_here(const ProcessName& process);

}  // namespace apportion
