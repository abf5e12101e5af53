// Ends a rank whose launcher is gone. Open MPI's orted and Slurm's slurmstepd end their ranks when they end
// in order; killed, they leave them behind, and such a rank would wait for the others for ever, also inside
// MPI itself.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

namespace apportion {

class LauncherWatch {
 public:
  /// Starts a thread that looks twice a second whether the process that started this one is still its parent.
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
