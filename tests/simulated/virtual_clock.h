// A virtual clock for a program linked with virtual_clock.cpp. While one of these exists, the C library's
// clocks move only by sleeping and by advance(), so hours pass in a moment and the same way each time.
#pragma once

namespace apportion {

class VirtualClock {
 public:
  VirtualClock();
  ~VirtualClock();
  VirtualClock(const VirtualClock&) = delete;
  VirtualClock& operator=(const VirtualClock&) = delete;

  /// Seconds since it was made.
  static double now();
  static void advance(double seconds);
  /// Processor seconds spent by this thread, so other work on the machine does not count.
  static double spent();
};

}  // namespace apportion
