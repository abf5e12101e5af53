#include "shared/base/bus_error.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstring>

namespace apportion {
namespace {

/// The handler may not allocate or lock, so what it reads lies here.
struct Mapping {
  std::atomic<const char*> address = nullptr;  // written last
  std::atomic<bool> taken = false;
  size_t size = 0;
  std::array<char, 1024> path{};
};

std::array<Mapping, 512> mappings;  // each part of a large model is one
std::atomic<bool> speaks_late = false;

void write_text(const char* text) {
  if (::write(STDERR_FILENO, text, std::strlen(text)) < 0) return;  // nothing more can be done
}

void on_bus_error(int, siginfo_t* info, void*) {
  constexpr int exit_code = 2;  // as for a DataError
  const auto* at = static_cast<const char*>(info->si_addr);
  for (const Mapping& mapping : mappings) {
    const char* begin = mapping.address.load();
    if (begin == nullptr || at < begin || at >= begin + mapping.size) continue;
    if (speaks_late) ::sleep(1);
    write_text("apportion: ");
    write_text(mapping.path.data());
    write_text(
        " became shorter while it was read, or its disk fails; put the whole file there and run again\n");
    ::_exit(exit_code);
  }
  std::signal(SIGBUS, SIG_DFL);  // so that repeating the access ends the process
}

}  // namespace

void remember_mapping(const char* address, size_t size, const std::string& path) {
  for (Mapping& mapping : mappings) {
    if (mapping.taken.exchange(true)) continue;
    mapping.size = size;
    const size_t length = std::min(path.size(), mapping.path.size() - 1);
    std::memcpy(mapping.path.data(), path.data(), length);
    mapping.path[length] = '\0';
    mapping.address = address;
    return;
  }
}

void forget_mapping(const char* address) {
  for (Mapping& mapping : mappings) {
    if (mapping.address.load() != address) continue;
    mapping.address = nullptr;
    mapping.taken = false;
    return;
  }
}

void install_bus_error_handler(int rank) {
  speaks_late = rank != 0;
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
}

}  // namespace apportion
