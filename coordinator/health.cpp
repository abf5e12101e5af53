// Times of the last messages; see health.h.
#include "coordinator/health.h"

#include <algorithm>

namespace apportion {

Health::Health(int ranks, double limit_s, double now)
    : limit_s_(limit_s), clock_(now), last_heard_(static_cast<size_t>(ranks), 0) {}

void Health::heard(int rank, double now) { last_heard_.at(static_cast<size_t>(rank)) = clock_.seconds(now); }

std::optional<int> Health::silent_rank(double now) {
  const double waited = clock_.seconds(now);
  auto oldest = std::min_element(last_heard_.begin(), last_heard_.end());
  if (limit_s_ <= 0 || oldest == last_heard_.end() || waited - *oldest <= limit_s_) return std::nullopt;
  return static_cast<int>(oldest - last_heard_.begin());
}

}  // namespace apportion
