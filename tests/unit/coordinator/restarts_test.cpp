// Starts of a batch job that make no progress are counted and end it; anything new on disk resets the count.
#include "coordinator/restarts.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/store/checkpoint.h"
#include "shared/store/task_file.h"
#include "tests/support/sample_results.h"

namespace apportion {
namespace {

class RestartsTest : public testing::Test {
 protected:
  /// Makes one start of the job after this many restarts; returns whether it must be the last.
  bool start(int restarts) {
    Restarts guard(directory_.path(), {"7_0", restarts, 0});
    guard.check();
    guard.count();
    return guard.is_stuck();
  }

  void add(const std::string& path) {
    make_directories(std::filesystem::path(path).parent_path());
    write_file(path, "x");
  }
  void save_step(uint64_t step, bool whole) {
    const std::string path = checkpoint_path(checkpoint_directory(directory_.path(), "a"), step);
    add(path + "/rank-0-of-1.bin");
    if (whole) add(path + "/COMPLETE");
  }

  TemporaryDirectory directory_;
};

TEST_F(RestartsTest, TwoRestartsWithoutAStepAreTheLast) {
  EXPECT_FALSE(start(0));
  EXPECT_FALSE(start(1));
  EXPECT_TRUE(start(2));
  try {
    start(3);
    ADD_FAILURE() << "a fourth start";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), stuck_exit_code);
    EXPECT_NE(std::string(error.what()).find("job 7_0"), std::string::npos) << error.what();
  }
}

TEST_F(RestartsTest, AnyProgressBeginsTheCountAnew) {
  const std::vector<std::function<void()>> progress = {
      [&] { add(result_path(directory_.path(), "b")); },
      [&] { save_step(5, true); },
      [&] { save_step(6, true); },
      [&] { add(checkpoint_directory(directory_.path(), "c") + "/rank-0-of-2.units"); },
      [&] {  // another unit
        std::ofstream(checkpoint_directory(directory_.path(), "c") + "/rank-0-of-2.units", std::ios::app)
            << "more";
      },
      [&] { add(result_path(directory_.path(), "a")); },
  };
  for (const auto& make : progress) {
    start(0);
    start(1);
    EXPECT_TRUE(start(2));
    make();
    EXPECT_FALSE(start(3));
    EXPECT_FALSE(start(4));
  }
}

TEST_F(RestartsTest, ProgressOfThisStartCountsBeforeItEnds) {
  start(0);
  start(1);
  Restarts guard(directory_.path(), {"7_0", 2, 0});
  guard.count();
  EXPECT_TRUE(guard.is_stuck());
  save_step(1, true);
  EXPECT_FALSE(guard.is_stuck());
}

TEST_F(RestartsTest, AHalfWrittenCheckpointIsNoProgress) {
  start(0);
  start(1);
  save_step(5, false);
  EXPECT_TRUE(start(2));
}

TEST_F(RestartsTest, AJobThatIsNotARestartIsNotRefused) {
  for (int again = 0; again < 5; ++again) EXPECT_FALSE(start(0));
}

TEST_F(RestartsTest, WithoutABatchJobNothingIsCounted) {
  Restarts guard(directory_.path(), {});
  for (int again = 0; again < 5; ++again) {
    guard.check();
    guard.count();
    EXPECT_FALSE(guard.is_stuck());
  }
  EXPECT_FALSE(std::filesystem::exists(directory_.path() + "/slurm"));
}

TEST_F(RestartsTest, AFileThatIsNoneSaysNothing) {
  make_directories(directory_.path() + "/slurm");
  for (const char* text : {"", "{", "[1]", "{\"starts\": \"x\", \"progress\": 1}"}) {
    write_file(directory_.path() + "/slurm/restarts-7_0.json", text);
    EXPECT_FALSE(start(3)) << text;
  }
}

TEST_F(RestartsTest, TheEndForgets) {
  start(0);
  Restarts(directory_.path(), {"7_0", 0, 0}).forget();
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path() + "/slurm"));
}

}  // namespace
}  // namespace apportion
