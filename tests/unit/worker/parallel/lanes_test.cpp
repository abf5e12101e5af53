// Every piece of work once, errors come back, and the caller's threads are as before.
#include "worker/parallel/lanes.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <atomic>
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

TEST_P(Lanes, PassOnTheErrorOfTheFirstPiece) {
  auto work = [](int i) {
    if (i == 1) throw UserError("piece 1");
  };
  EXPECT_THROW(run_lanes(3, at::kCPU, work), UserError);
  EXPECT_EQ(at::get_num_threads(), GetParam());
}

INSTANTIATE_TEST_SUITE_P(Threads, Lanes, ::testing::Values(1, 2, 3));

}  // namespace
}  // namespace apportion
