// Seconds since an arbitrary start, for progress and rates; never enters a result that must be reproducible.
#pragma once

#include <chrono>

namespace apportion {

inline double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace apportion
