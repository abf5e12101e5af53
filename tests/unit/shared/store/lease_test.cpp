// Members of one folder: one member at a time has a task, and a member that is gone loses it, however it
// ended.
#include "shared/store/lease.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "tests/support/sample_results.h"

namespace apportion {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class LeaseTest : public testing::Test {
 protected:
  std::string folder() const { return directory_.path(); }

  /// A member on another host, as far as can be seen from here, with `beats` signs of life so far.
  void write_stranger(const std::string& member, int beats, const std::string& slurm_job = "") const {
    make_directories(members_directory(folder()));
    std::ofstream(members_directory(folder()) + "/" + member)
        << R"({"process":"1","start":"2","host":"elsewhere","job":"j","began":0,"doing":{},"slurm_job":")"
        << slurm_job << R"(","beats":)" << beats << "}\n";
  }
  void write_lease(const std::string& task, const std::string& text) const {
    make_directories(leases_directory(folder()));
    std::ofstream(leases_directory(folder()) + "/" + task) << text;
  }
  std::vector<std::string> names(const std::string& part) const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder() + "/" + part))
      found.push_back(entry.path().filename().string());
    return found;
  }

  TemporaryDirectory directory_;
};

TEST_F(LeaseTest, ATaskIsOneMembersUntilItIsGivenBack) {
  Leases one(folder(), "job", 60), two(folder(), "job", 60);
  EXPECT_TRUE(one.take("t").ours);
  const Leases::Taking refused = two.take("t");
  EXPECT_FALSE(refused.ours);
  EXPECT_EQ(refused.holder, one.member());
  EXPECT_TRUE(two.is_held("t"));
  EXPECT_TRUE(one.holds("t"));
  EXPECT_FALSE(two.holds("t"));
  two.release("t");  // not its own, so nothing happens
  EXPECT_TRUE(one.holds("t"));
  one.release("t");
  EXPECT_FALSE(two.is_held("t"));
  EXPECT_TRUE(two.take("t").ours);
  EXPECT_THAT(read_leases(folder()), ElementsAre(testing::Pair("t", two.member())));
  EXPECT_THAT(names("leases"), SizeIs(1)) << "nothing else is left there";
}

TEST_F(LeaseTest, WhoLeavesGivesEverythingBack) {
  Leases two(folder(), "job", 60);
  {
    Leases one(folder(), "job", 60);
    one.take("t");
    EXPECT_THAT(read_members(folder()), SizeIs(2));
  }
  EXPECT_THAT(read_members(folder()), SizeIs(1));
  const Leases::Taking taking = two.take("t");
  EXPECT_TRUE(taking.ours);
  EXPECT_EQ(taking.lost_by, "");
}

TEST_F(LeaseTest, AKilledProcessLosesItsTasksAtOnce) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    Leases leases(folder(), "job", 60);
    leases.take("t");
    char byte = 'x';
    if (::write(ready[1], &byte, 1) != 1) ::_exit(1);
    ::pause();
    ::_exit(0);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  Leases leases(folder(), "job", 60);
  EXPECT_FALSE(leases.take("t").ours);
  const std::string killed = leases.take("t").holder;
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  ::close(ready[0]);
  ::close(ready[1]);
  const Leases::Taking taking = leases.take("t");
  EXPECT_TRUE(taking.ours);
  EXPECT_EQ(taking.lost_by, killed);
  EXPECT_TRUE(leases.holds("t"));
}

TEST_F(LeaseTest, AMemberOfAnotherHostIsGoneWhenItsSignsEnd) {
  write_stranger("stranger", 1);
  write_lease("t", "stranger\n");
  Leases leases(folder(), "job", 1.5);
  const auto wait = [&leases](double seconds) {  // like a coordinator, which asks many times a second
    for (const double end = seconds_now() + seconds; seconds_now() < end; leases.beat())
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
  };
  EXPECT_FALSE(leases.take("t").ours);
  wait(0.8);
  write_stranger("stranger", 2);
  EXPECT_FALSE(leases.take("t").ours);
  wait(0.8);
  EXPECT_TRUE(leases.is_held("t")) << "it was heard of less than the limit ago";
  wait(1);
  EXPECT_FALSE(leases.is_held("t"));
  EXPECT_EQ(leases.take("t").lost_by, "stranger");
}

TEST_F(LeaseTest, TimeInWhichThisProcessWasAwayIsNotTheOthers) {
  write_stranger("stranger", 1);
  write_lease("t", "stranger\n");
  Leases leases(folder(), "job", 1.5);
  EXPECT_FALSE(leases.take("t").ours);
  std::this_thread::sleep_for(std::chrono::milliseconds(1800));  // stopped, as the whole machine may be
  EXPECT_FALSE(leases.take("t").ours);
}

TEST_F(LeaseTest, AMemberSeesThatItHasLostATask) {
  Leases one(folder(), "job", 60);
  one.take("t");
  write_lease("t", "another\n");  // which believed `one` to be gone
  EXPECT_FALSE(one.holds("t"));
  one.release("t");
  EXPECT_THAT(read_leases(folder()), ElementsAre(testing::Pair("t", "another")));
}

TEST_F(LeaseTest, WhatWasPutBackForAMomentIsNotLost) {
  Leases one(folder(), "job", 60);
  one.take("t");
  const std::string path = leases_directory(folder()) + "/t";
  std::filesystem::rename(path, path + ".aside");
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(120));
    std::filesystem::rename(path + ".aside", path);
  });
  EXPECT_TRUE(one.holds("t"));
  other.join();
}

TEST_F(LeaseTest, ManyMembersGetEachTaskOnce) {
  constexpr int members = 4, tasks = 20;
  std::vector<std::unique_ptr<Leases>> all;
  for (int member = 0; member < members; ++member)
    all.push_back(std::make_unique<Leases>(folder(), "job", 60));
  for (int task = 0; task < tasks; ++task) write_lease("t" + std::to_string(task), "nobody\n");
  std::vector<std::set<std::string>> taken(members);
  std::vector<std::thread> threads;
  const double end = seconds_now() + 60;
  for (int member = 0; member < members; ++member) {
    threads.emplace_back([&, member] {
      // It takes a moment until a holder without signs of life counts as gone; then all members try at once.
      while (seconds_now() < end) {
        size_t held = 0;
        for (int task = 0; task < tasks; ++task) {
          const std::string name = "t" + std::to_string(task);
          if (all[static_cast<size_t>(member)]->take(name).ours)
            taken[static_cast<size_t>(member)].insert(name);
          const auto leases = read_leases(folder());
          const auto lease = leases.find(name);
          if (lease != leases.end() && lease->second != "nobody") ++held;
        }
        all[static_cast<size_t>(member)]->beat();
        if (held == tasks) break;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  size_t sure = 0;
  for (int member = 0; member < members; ++member) {
    for (const std::string& task : all[static_cast<size_t>(member)]->own())
      EXPECT_TRUE(taken[static_cast<size_t>(member)].contains(task));
    for (const std::string& task : taken[static_cast<size_t>(member)])
      sure += all[static_cast<size_t>(member)]->holds(task) ? 1 : 0;
  }
  EXPECT_EQ(sure, static_cast<size_t>(tasks)) << "each task has one member that may write it";
}

TEST_F(LeaseTest, DamagedFilesAreNobodys) {
  make_directories(members_directory(folder()));
  std::ofstream(members_directory(folder()) + "/torn") << "{\"proc";
  write_lease("t", "");
  EXPECT_THAT(read_members(folder()), IsEmpty());
  Leases leases(folder(), "job", 60);
  EXPECT_FALSE(leases.take("t").ours);
  for (const double end = seconds_now() + 2.5; seconds_now() < end; leases.beat())
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_TRUE(leases.take("t").ours);
}

TEST_F(LeaseTest, AFolderThatCannotBeWrittenIsTheUsersMistake) {
  std::ofstream(folder() + "/members") << "a file";
  EXPECT_THROW(Leases(folder(), "job", 60), UserError);
}

// When a node fails, Slurm restarts the job under the same number.
TEST_F(LeaseTest, ARestartedJobKnowsWhatItsEarlierStartHas) {
  write_stranger("before", 1, "7_1");
  write_stranger("other", 1, "7_2");
  write_lease("t", "before\n");
  write_lease("u", "other\n");
  const auto found = [&] {
    const Leases leases(folder(), "job", 60);
    return std::pair(leases.is_of_earlier_start("t"), leases.is_of_earlier_start("u"));
  };
  EXPECT_EQ(found(), std::pair(false, false));
  ::setenv("SLURM_ARRAY_JOB_ID", "7", 1);
  ::setenv("SLURM_ARRAY_TASK_ID", "1", 1);
  EXPECT_EQ(found(), std::pair(false, false));  // two runs side by side in one job
  ::setenv("SLURM_RESTART_COUNT", "1", 1);
  EXPECT_EQ(found(), std::pair(true, false));
  for (const char* name : {"SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_RESTART_COUNT"})
    ::unsetenv(name);
}

}  // namespace
}  // namespace apportion
