// Which rank has been silent for too long. Only time during which the coordinator itself was running counts
// (WaitingClock). Pure: the caller passes the time in, many times a second.
#pragma once

#include <optional>
#include <vector>

#include "shared/base/clock.h"

namespace apportion {

class Health {
 public:
  /// All `ranks` count as heard at `now` (seconds). With `limit_s` 0 no rank is ever silent for too long.
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
