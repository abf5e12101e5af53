// A clock of its own for a program that is linked with virtual_clock.cpp: while one of these lives the C
// library's clocks stand still but for what is slept and what is added, so that hours pass in a moment and
// the same way each time.
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
  /// Of the processor, spent by this thread: whoever else is at work on the machine does not count.
  static double spent();
};

}  // namespace apportion
