// Which rank has been silent for too long, in time that the coordinator itself was there (WaitingClock).
// Pure: the caller brings the time, many times a second.
#pragma once

#include <optional>
#include <vector>

#include "shared/base/clock.h"

namespace apportion {

class Health {
 public:
  /// All `ranks` count as heard at `now` (seconds). `limit_s` 0: none is ever too silent.
  Health(int ranks, double limit_s, double now);

  void heard(int rank, double now);

  /// The rank that has been silent longest, if longer than the limit.
  std::optional<int> silent_rank(double now);
  double limit_s() const { return limit_s_; }

 private:
  double limit_s_;
  WaitingClock clock_;
  std::vector<double> last_heard_;
};

}  // namespace apportion
