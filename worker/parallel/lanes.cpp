#include "worker/parallel/lanes.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <exception>
#include <thread>
#include <vector>

namespace apportion {
namespace {

/// A thread's number of threads for its parallel loops, set back at the end.
class ThreadsOf {
 public:
  explicit ThreadsOf(int threads) : before_(at::get_num_threads()) { at::set_num_threads(threads); }
  ~ThreadsOf() { at::set_num_threads(before_); }
  ThreadsOf(const ThreadsOf&) = delete;
  ThreadsOf& operator=(const ThreadsOf&) = delete;

 private:
  int before_;
};

bool same_on(int threads, const std::function<at::Tensor()>& product) {
  const at::Tensor wanted = (ThreadsOf(1), product());
  return at::equal((ThreadsOf(threads), product()), wanted);
}

bool find_dependence() {
  const at::NoGradGuard no_gradient;
  for (at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    for (int64_t inner : {960, 1536, 3072}) {
      for (int64_t rows : {64, 192, 256}) {
        const at::Tensor x = at::arange(rows * inner, at::kFloat).sin_().view({rows, inner}).to(type);
        const at::Tensor w = at::arange(inner * 576, at::kFloat).cos_().view({inner, 576}).to(type);
        const at::Tensor turned = w.t().contiguous();
        for (int threads = 2; threads <= std::max(2, at::get_num_threads()); threads *= 2) {
          if (!same_on(threads, [&] { return at::mm(x, w); })) return true;
          if (!same_on(threads, [&] { return at::linear(x, turned); })) return true;
        }
      }
    }
  }
  return false;
}

}  // namespace

bool products_depend_on_threads() {
  static const bool depend = find_dependence();
  return depend;
}

void run_lanes(int count, at::Device device, const std::function<void(int)>& work) {
  const int threads = at::get_num_threads();
  const int lanes = device.is_cpu() ? std::min(count, threads) : 1;
  int share = device.is_cpu()
                  ? static_cast<int>(std::bit_floor(static_cast<unsigned>(threads / std::max(1, lanes))))
                  : 1;
  if (share > 1 && products_depend_on_threads()) share = 1;
  if (lanes <= 1) {
    const ThreadsOf lane(device.is_cpu() ? share : threads);
    for (int i = 0; i < count; ++i) work(i);
    return;
  }
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
