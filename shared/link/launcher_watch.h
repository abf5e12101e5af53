// Ends a rank whose launcher is gone. Open MPI's orted and Slurm's slurmstepd end their ranks when they exit
// in order; when killed, they leave them behind, and such ranks would wait for the others forever, even
// inside MPI itself.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

namespace apportion {

class LauncherWatch {
 public:
  /// Starts a thread that checks twice a second whether the process that started this one is still its
  /// parent.
  LauncherWatch();
  ~LauncherWatch();
  LauncherWatch(const LauncherWatch&) = delete;
  LauncherWatch& operator=(const LauncherWatch&) = delete;

 private:
  void run(int parent);

  std::mutex mutex_;
  std::condition_variable ending_;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace apportion
