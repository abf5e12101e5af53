// Waiting for other ranks, in the same way everywhere: spin for microseconds, yield, then sleep between looks
// (ranks share cores, so nobody spins for long). It ends after the time-out with a line that names the
// operation and the rank.
#pragma once

#include <functional>
#include <string>

#include "shared/base/clock.h"

namespace apportion {

class Patience {
 public:
  /// `look` is called at every pause after the first millisecond: it may throw (because an abort has arrived)
  /// or drive other work. `option` is the key that sets the time-out.
  Patience(std::string operation, double timeout_s, std::function<void()> look,
           std::string option = "timeout_s");

  /// Pauses once. `rank` is the awaited world rank, -1 if unknown. Throws RankError once the time-out has
  /// passed since the Patience was made; time in which this process was stopped does not count
  /// (WaitingClock).
  void pause(int rank);

  /// Looks without pausing, so that a lost rank is not blamed for what another has aborted.
  void look() const {
    if (look_) look_();
  }

  const std::string& operation() const { return operation_; }

 private:
  std::string operation_;
  double timeout_s_;
  WaitingClock clock_;
  std::function<void()> look_;
  std::string option_;
};

/// "OPERATION with rank R", or OPERATION alone when the rank is -1.
std::string with_rank(const std::string& operation, int rank);

}  // namespace apportion
