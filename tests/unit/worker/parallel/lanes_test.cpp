// Every piece of work is done once, errors come back, and the caller's threads stay as before.
#include "worker/parallel/lanes.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "shared/base/error.h"

namespace apportion {
namespace {

class Lanes : public ::testing::TestWithParam<int> {
 protected:
  Lanes() : before_(at::get_num_threads()) { at::set_num_threads(GetParam()); }
  ~Lanes() override { at::set_num_threads(before_); }

 private:
  int before_;
};

TEST_P(Lanes, DoEveryPieceOnce) {
  std::vector<std::atomic<int>> calls(7);
  run_lanes(7, at::kCPU, [&](int i) { ++calls[static_cast<size_t>(i)]; });
  for (const auto& count : calls) EXPECT_EQ(count, 1);
  EXPECT_EQ(at::get_num_threads(), GetParam());
  run_lanes(0, at::kCPU, [](int) { FAIL(); });
}

TEST_P(Lanes, OfAGpuAreNotTheHostsThreads) {
  EXPECT_EQ(lanes_on(at::kCPU, GetParam()), GetParam());
  EXPECT_EQ(lanes_on(at::kCUDA, GetParam()), 1);
}

TEST_P(Lanes, PassOnTheErrorOfTheFirstPiece) {
  auto work = [](int i) {
    if (i == 1) throw UserError("piece 1");
  };
  EXPECT_THROW(run_lanes(3, at::kCPU, work), UserError);
  EXPECT_EQ(at::get_num_threads(), GetParam());
}

/// The ids of the threads that run `count` pieces.
std::set<std::thread::id> threads_of(int count, bool gradient) {
  std::set<std::thread::id> ids;
  std::mutex adding;
  std::atomic<int> begun = 0;
  const at::AutoGradMode mode(gradient);
  const int lanes = std::min(count, at::get_num_threads());
  run_lanes(count, at::kCPU, [&](int i) {
    EXPECT_EQ(at::GradMode::is_enabled(), gradient);
    ++begun;
    while (i < lanes && begun < lanes) std::this_thread::yield();  // each lane takes one of the first pieces
    const std::lock_guard lock(adding);
    ids.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(static_cast<int>(ids.size()), lanes);
  return ids;
}

// Lanes wait for the next call, which may need more or fewer of them, with or without gradients.
TEST_P(Lanes, AreTheSameThreadsAtTheNextCall) {
  std::thread fresh([] {  // this thread has no lanes yet
    (void)at::get_num_threads();
    at::set_num_threads(GetParam());
    const auto two = threads_of(2, true), all = threads_of(5, false);
    EXPECT_TRUE(std::includes(all.begin(), all.end(), two.begin(), two.end()));
    EXPECT_EQ(threads_of(5, true), all);
    EXPECT_THROW(run_lanes(5, at::kCPU, [](int) { throw UserError("all pieces"); }), UserError);
    EXPECT_EQ(threads_of(5, false), all);
  });
  fresh.join();
}

/// How often run_pieces visited each of `count` values, in as many pieces as it reports.
std::vector<int> visits(int64_t count, int64_t least) {
  std::vector<std::atomic<int>> visited(static_cast<size_t>(count));
  std::atomic<int64_t> pieces = 0;
  run_pieces(count, least, [&](int64_t first, int64_t last) {
    ++pieces;
    for (int64_t i = first; i < last; ++i) ++visited[static_cast<size_t>(i)];
  });
  EXPECT_EQ(pieces, std::max<int64_t>(1, std::min<int64_t>(count / least, at::get_num_threads())));
  return {visited.begin(), visited.end()};
}

TEST_P(Lanes, TakePiecesOfARangeOnce) {
  for (int64_t count : {0, 1, 2, 7, 100}) {
    for (int64_t least : {1, 5, 1000}) EXPECT_EQ(visits(count, least), std::vector<int>(count, 1)) << count;
  }
  run_lanes(3, at::kCPU, [](int) { EXPECT_EQ(visits(50, 1), std::vector<int>(50, 1)); });
  EXPECT_EQ(at::get_num_threads(), GetParam());
}

// Without OpenMP's flag at::parallel_for would be a plain loop in our code.
TEST_P(Lanes, LeaveParallelLoopsTheThreadsTheyShare) {
  std::set<int> threads;
  std::mutex adding;
  at::parallel_for(0, GetParam(), 1, [&](int64_t, int64_t) {
    const std::lock_guard lock(adding);
    threads.insert(at::get_thread_num());
  });
  EXPECT_EQ(static_cast<int>(threads.size()), GetParam());
}

INSTANTIATE_TEST_SUITE_P(Threads, Lanes, ::testing::Values(1, 2, 3));

}  // namespace
}  // namespace apportion
