#include "worker/parallel/patience.h"

#include <sched.h>

#include <chrono>
#include <cmath>
#include <thread>
#include <utility>

#include "shared/base/error.h"

namespace apportion {
namespace {

constexpr double brisk_s = 20e-6;  // spin this long: a peer on another core is likely a moment away
constexpr double eager_s = 0.001;  // only yield the core this long
constexpr auto nap = std::chrono::microseconds(50);

}  // namespace

Patience::Patience(std::string operation, double timeout_s, std::function<void()> look, std::string option)
    : operation_(std::move(operation)),
      timeout_s_(timeout_s),
      clock_(seconds_now()),
      look_(std::move(look)),
      option_(std::move(option)) {}

void Patience::pause(int rank) {
  const double waited = clock_.seconds(seconds_now());
  if (waited < eager_s && waited < timeout_s_) {
    if (waited > brisk_s) sched_yield();
    return;
  }
  if (look_) look_();
  if (waited >= timeout_s_) {
    throw RankError(rank, with_rank(operation_, rank) + " was not finished after " +
                              std::to_string(std::lround(waited * 1000)) + " ms (option " + option_ + ")");
  }
  std::this_thread::sleep_for(nap);
}

std::string with_rank(const std::string& operation, int rank) {
  return rank < 0 ? operation : operation + " with rank " + std::to_string(rank);
}

}  // namespace apportion
