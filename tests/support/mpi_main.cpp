// The main program of rank tests: under mpirun every rank runs the same tests in the same order. A failure on
// any rank fails the run on all. A world of another size than APPORTION_EXPECT_RANKS fails, and so does a run
// without tests. A test that exceeds its limit is named and ends the job.
#include "tests/support/mpi_main.h"

#include <gtest/gtest.h>
#define OMPI_SKIP_MPICXX 1  // only the C interface
#include <mpi.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>

#include "shared/base/clock.h"
#include "shared/base/error.h"

namespace apportion {

namespace {

constexpr double limit_s = 60;  // for one test
constexpr int hang_exit_code = 124;

const RankGroup* ranks_in_use = nullptr;

/// Names the running test when it exceeds the limit, and ends the job.
class Watchdog : public testing::EmptyTestEventListener {
 public:
  explicit Watchdog(const RankGroup& ranks) : ranks_(ranks), thread_([this] { watch(); }) {}
  ~Watchdog() override {
    ended_ = true;
    thread_.join();
  }

  void OnTestStart(const testing::TestInfo& test) override {
    set(std::string(test.test_suite_name()) + "." + test.name());
  }
  void OnTestEnd(const testing::TestInfo&) override { set(""); }

 private:
  void set(std::string name) {
    std::lock_guard lock(mutex_);
    running_ = std::move(name);
    start_ = seconds_now();
  }

  void watch() {
    while (!ended_) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      std::lock_guard lock(mutex_);
      if (running_.empty() || seconds_now() - start_ < limit_s) continue;
      std::fprintf(stderr, "rank %d of %d hangs in %s\n", ranks_.rank(), ranks_.size(), running_.c_str());
      ranks_.abort(hang_exit_code);
    }
  }

  const RankGroup& ranks_;
  std::mutex mutex_;
  std::string running_;
  double start_ = 0;
  std::atomic<bool> ended_ = false;
  std::thread thread_;
};

/// Prints the failures of ranks other than 0, with their rank.
class FailurePrinter : public testing::EmptyTestEventListener {
 public:
  explicit FailurePrinter(int rank) : rank_(rank) {}
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    std::fprintf(stderr, "rank %d: %s:%d: %s\n", rank_, result.file_name() ? result.file_name() : "",
                 result.line_number(), result.message());
  }

 private:
  int rank_;
};

bool world_is_as_expected(const RankGroup& ranks) {
  const char* expected = std::getenv("APPORTION_EXPECT_RANKS");
  if (expected && std::to_string(ranks.size()) == expected) return true;
  std::fprintf(stderr, "this test runs on %d ranks, APPORTION_EXPECT_RANKS is %s\n", ranks.size(),
               expected ? expected : "not set");
  return false;
}

/// The exit code: 0 only if every rank ran tests and none failed.
int run_tests(const RankGroup& ranks) {
  testing::TestEventListeners& listeners = testing::UnitTest::GetInstance()->listeners();
  if (ranks.rank() != 0) {
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new FailurePrinter(ranks.rank()));
  }
  auto* watchdog = new Watchdog(ranks);
  listeners.Append(watchdog);
  int failed = RUN_ALL_TESTS();
  delete listeners.Release(watchdog);
  if (testing::UnitTest::GetInstance()->test_to_run_count() == 0) failed = 1;
  int any_failed = 0;
  MPI_Allreduce(&failed, &any_failed, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  return any_failed;
}

}  // namespace

const RankGroup& test_ranks() {
  ensure(ranks_in_use != nullptr, "tests run inside of main");
  return *ranks_in_use;
}

}  // namespace apportion

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  apportion::RankGroup ranks(apportion::Launch::mpi);
  apportion::ranks_in_use = &ranks;
  if (!apportion::world_is_as_expected(ranks)) ranks.abort(2);
  return apportion::run_tests(ranks);
}
