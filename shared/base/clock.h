// Seconds since an arbitrary start, for progress, rates and time-outs, and calendar time; neither enters a
// result that must be reproducible.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <string>

namespace apportion {

inline constexpr double hour_s = 3600;

inline double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Seconds since 1970, for people and for other hosts.
inline double unix_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// Local time in a format of strftime(3): "%b %d %H:%M".
inline std::string local_time_text(double unix_time, const char* format) {
  const auto whole = static_cast<std::time_t>(unix_time);
  std::tm parts{};
  ::localtime_r(&whole, &parts);
  std::array<char, 64> text{};
  return {text.data(), std::strftime(text.data(), text.size(), format, &parts)};
}

/// The time that a process has spent waiting. It asks many times a second; when a second or more has passed
/// since it last asked, it was away (SIGSTOP, a suspended job, a laptop's lid), as were those it waits for,
/// and only one second of that counts.
class WaitingClock {
 public:
  explicit WaitingClock(double now) : last_(now) {}

  /// Seconds so far; `now` is a time as from seconds_now().
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
