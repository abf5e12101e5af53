// Seconds since an arbitrary start, for progress, rates and time-outs; never enters a result that must be
// reproducible.
#pragma once

#include <algorithm>
#include <chrono>

namespace apportion {

inline double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// The time that a process had for waiting. It asks many times a second; where a second or more has passed
/// since it asked last, it was away (SIGSTOP, a suspended job, a laptop's lid), and with it those whom it
/// waits for: one second of that counts.
class WaitingClock {
 public:
  explicit WaitingClock(double now) : last_(now) {}

  /// Seconds so far; `now` as seconds_now has it.
  double seconds(double now) {
    seconds_ += std::clamp(now - last_, 0.0, longest_step_s);
    last_ = now;
    return seconds_;
  }

 private:
  static constexpr double longest_step_s = 1;
  double last_, seconds_ = 0;
};

}  // namespace apportion
