#include "worker/parallel/lanes.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "shared/base/error.h"

namespace apportion {
namespace {

/// Whether this thread is working in a lane.
thread_local bool in_lane = false;

/// Sets how many threads this thread's parallel loops use, and restores the number at the end.
class ThreadsOf {
 public:
  explicit ThreadsOf(int threads) : before_(at::get_num_threads()) { at::set_num_threads(threads); }
  ~ThreadsOf() { at::set_num_threads(before_); }
  ThreadsOf(const ThreadsOf&) = delete;
  ThreadsOf& operator=(const ThreadsOf&) = delete;

 private:
  int before_;
};

/// Threads that wait for work between calls of run_lanes. So what LibTorch keeps for each thread (the kernels
/// that it makes for sizes of products) is made once, not at every call. Each thread that runs lanes has a
/// pool.
class LanePool {
 public:
  LanePool() = default;
  LanePool(const LanePool&) = delete;
  LanePool& operator=(const LanePool&) = delete;
  ~LanePool() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  /// Calls lane(), which must not throw, on `others` threads and on this one; returns when all have finished.
  void run(int others, const std::function<void()>& lane) {
    ensure(!lane_, "lanes do not run lanes side by side of their own");
    while (static_cast<int>(threads_.size()) < others) threads_.emplace_back([this] { serve(); });
    {
      const std::lock_guard lock(mutex_);
      lane_ = &lane;
      to_begin_ = to_end_ = others;
    }
    changed_.notify_all();
    lane();
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return to_end_ == 0; });
    lane_ = nullptr;
  }

 private:
  void serve() {
    (void)at::get_num_threads();  // else a new thread's first parallel loop would take over the process's
                                  // number
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return ending_ || to_begin_ > 0; });
      if (ending_) return;
      --to_begin_;
      const std::function<void()>& lane = *lane_;
      lock.unlock();
      lane();
      lock.lock();
      if (--to_end_ == 0) done_.notify_one();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_, done_;
  const std::function<void()>* lane_ = nullptr;
  int to_begin_ = 0, to_end_ = 0;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

bool same_on(int threads, const std::function<at::Tensor()>& product) {
  const at::Tensor wanted = (ThreadsOf(1), product());
  return at::equal((ThreadsOf(threads), product()), wanted);
}

/// Numbers of rows to try products with. Without AVX-512 LibTorch multiplies bfloat16 with plain loops, the
/// same at any size and 5 to 34 times slower than float32: trying all sizes took five seconds on a Zen 1.
std::vector<int64_t> rows_to_try(at::ScalarType type) {
  if (type == at::kBFloat16 && !__builtin_cpu_supports("avx512bw")) return {64};
  return {64, 192, 256};
}

bool find_dependence() {
  const at::NoGradGuard no_gradient;
  for (at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    for (int64_t inner : {960, 1536, 3072}) {
      for (int64_t rows : rows_to_try(type)) {
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

int lanes_on(at::Device device, int threads) { return device.is_cpu() ? threads : 1; }

void run_lanes(int count, at::Device device, const std::function<void(int)>& work, int most) {
  const int threads = at::get_num_threads();
  const int lanes = std::min({count, lanes_on(device, threads), most});
  int share = device.is_cpu()
                  ? static_cast<int>(std::bit_floor(static_cast<unsigned>(threads / std::max(1, lanes))))
                  : 1;
  if (share > 1 && products_depend_on_threads()) share = 1;
  const ThreadsOf own_lane(device.is_cpu() ? share : threads);
  if (lanes <= 1) {
    for (int i = 0; i < count; ++i) work(i);
    return;
  }
  const bool gradient = c10::GradMode::is_enabled();
  std::vector<std::exception_ptr> errors(static_cast<size_t>(count));
  std::atomic<int> next = 0;
  std::atomic<bool> failed = false;
  auto lane = [&] {
    at::set_num_threads(share);
    c10::GradMode::set_enabled(gradient);
    in_lane = true;
    for (int i = next++; i < count && !failed; i = next++) {
      try {
        work(i);
      } catch (...) {
        errors[static_cast<size_t>(i)] = std::current_exception();
        failed = true;
      }
    }
    in_lane = false;
  };
  thread_local LanePool pool;
  pool.run(lanes - 1, lane);
  for (const auto& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

void run_pieces(int64_t count, int64_t least, const std::function<void(int64_t first, int64_t last)>& work) {
  if (in_lane) {
    at::parallel_for(0, count, least, work);
    return;
  }
  const int64_t pieces = std::min<int64_t>(count / least, at::get_num_threads());
  if (pieces < 2) {
    work(0, count);
    return;
  }
  run_lanes(static_cast<int>(pieces), at::kCPU,
            [&](int piece) { work(count * piece / pieces, count * (piece + 1) / pieces); });
}

}  // namespace apportion
