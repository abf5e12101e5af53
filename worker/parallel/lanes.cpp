#include "worker/parallel/lanes.h"

#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <exception>
#include <thread>
#include <vector>

namespace apportion {

void run_lanes(int count, at::Device device, const std::function<void(int)>& work) {
  const int threads = at::get_num_threads();
  const int lanes = device.is_cpu() ? std::min(count, threads) : 1;
  if (lanes <= 1) {
    for (int i = 0; i < count; ++i) work(i);
    return;
  }
  const int share = static_cast<int>(std::bit_floor(static_cast<unsigned>(threads / lanes)));
  const bool gradient = c10::GradMode::is_enabled();
  std::vector<std::exception_ptr> errors(static_cast<size_t>(count));
  std::atomic<int> next = 0;
  std::atomic<bool> failed = false;
  auto lane = [&] {
    (void)at::get_num_threads();  // else a new thread's first parallel loop would take over the process's
                                  // number
    at::set_num_threads(share);
    c10::GradMode::set_enabled(gradient);
    for (int i = next++; i < count && !failed; i = next++) {
      try {
        work(i);
      } catch (...) {
        errors[static_cast<size_t>(i)] = std::current_exception();
        failed = true;
      }
    }
  };
  std::vector<std::thread> others;
  for (int index = 1; index < lanes; ++index) others.emplace_back(lane);
  lane();
  for (std::thread& other : others) other.join();
  at::set_num_threads(threads);
  for (const auto& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace apportion
