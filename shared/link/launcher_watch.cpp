// The watching thread; see launcher_watch.h.
#include "shared/link/launcher_watch.h"

#include <unistd.h>

#include <chrono>
#include <cstdlib>

namespace apportion {

namespace {

constexpr auto look_pause = std::chrono::milliseconds(500);

}  // namespace

LauncherWatch::LauncherWatch() : thread_([this, parent = static_cast<int>(::getppid())] { run(parent); }) {}

LauncherWatch::~LauncherWatch() {
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
  }
  ending_.notify_one();
  thread_.join();
}

void LauncherWatch::run(int parent) {
  std::unique_lock lock(mutex_);
  while (!ending_.wait_for(lock, look_pause, [this] { return ended_; })) {
    // Flushes nothing and does not ask MPI: whoever it would talk to is gone.
    if (::getppid() != parent) std::_Exit(1);
  }
}

}  // namespace apportion
