// Two runs in one folder, without ranks: who owns a task, when it is set aside, and what a run learns after
// being away.
#include "coordinator/folder/folder_claims.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "coordinator/folder/folder_status.h"
#include "shared/base/clock.h"
#include "shared/base/file_system.h"
#include "shared/store/plan_file.h"
#include "shared/store/task_file.h"
#include "tests/support/sample_results.h"
#include "tests/support/small_job.h"

namespace apportion {
namespace {

using testing::HasSubstr;

class FolderClaimsTest : public testing::Test {
 protected:
  FolderClaimsTest() : status_(config().output), set_(sample_gender_set("v2")) {
    file_ = sample_measure(set_, {}, {});
  }
  RunConfig config() const { return default_config({{"output", directory_.path()}, {"quiet", "true"}}); }
  const Task& task() const { return file_.record.task; }
  void write_result() const {
    make_directories(task_directory(directory_.path(), task().id));
    write_measure_file(result_path(directory_.path(), task().id), file_);
  }
  std::string lease() const { return leases_directory(directory_.path()) + "/" + task().id; }
  FolderOptions options(bool keeps_count = true) const {
    FolderOptions options;
    options.directory = directory_.path();
    options.job = "job";
    options.keeps_count = keeps_count;
    return options;
  }

  TemporaryDirectory directory_;
  Status status_;
  SampleSet set_;
  MeasureFile file_;
};

TEST_F(FolderClaimsTest, ATaskIsOneRunsAtATimeAndDoneForAll) {
  FolderClaims one(options(), status_), other(options(), status_);
  EXPECT_EQ(one.claim(task()), Claim::ours);
  EXPECT_EQ(other.claim(task()), Claim::elsewhere);
  EXPECT_TRUE(other.is_elsewhere(task()));
  write_result();
  one.confirm(task());
  one.finished(task(), 1);
  EXPECT_FALSE(other.is_elsewhere(task()));
  EXPECT_EQ(other.claim(task()), Claim::done);
}

TEST_F(FolderClaimsTest, AtALookARunLearnsWhatOthersHaveAndHaveDone) {
  FolderClaims one(options(), status_), other(options(), status_);
  EXPECT_EQ(one.claim(task()), Claim::ours);
  other.look();
  one.give_back(task());
  EXPECT_EQ(other.claim(task()), Claim::elsewhere) << "as it was then";
  other.look();
  EXPECT_FALSE(other.is_elsewhere(task()));
  EXPECT_EQ(one.claim(task()), Claim::ours);
  write_result();
  one.finished(task(), 1);
  other.look();
  EXPECT_FALSE(other.is_elsewhere(task()));
  EXPECT_EQ(other.claim(task()), Claim::done);
}

TEST_F(FolderClaimsTest, ARunThatBeginsTakesWhatAKilledOneHad) {
  const pid_t child = ::fork();
  if (child == 0) {
    FolderClaims killed(options(), status_);
    ::_exit(killed.claim(task()) == Claim::ours ? 0 : 1);
  }
  int status = 1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  ASSERT_TRUE(is_regular_file(lease()));
  FolderClaims run(options(), status_);
  run.look();
  EXPECT_EQ(run.claim(task()), Claim::ours) << "before it begins anything else";
}

TEST_F(FolderClaimsTest, WhatAnotherRunHasDoneIsReadWhereItIsAnInput) {
  FolderClaims one(options(), status_), other(options(), status_);
  EXPECT_EQ(one.claim(task()), Claim::ours);
  write_result();
  one.finished(task(), 1);
  other.look();
  Task next = sample_measure(set_, {}, {task().id}).record.task;
  EXPECT_EQ(other.claim(next), Claim::ours);
  other.give_back(next);
  FolderClaims third(options(), status_);
  EXPECT_EQ(one.claim(task()), Claim::done);
  other.failed(task(), "nothing", 1);  // and done once more, as the third run sees
  one.finished(task(), 1);
  third.look();
  std::filesystem::resize_file(result_path(directory_.path(), task().id), 700);
  EXPECT_EQ(third.claim(task()), Claim::done) << "nothing of it is read";
  EXPECT_THROW(third.claim(next), UserError) << "the result is cut";
  EXPECT_FALSE(third.is_elsewhere(next)) << "it has given it back";
}

TEST_F(FolderClaimsTest, WhatIsForcedIsDoneOnceByThisRun) {
  FolderOptions forced = options();
  forced.force = true;
  write_result();
  FolderClaims run(forced, status_);
  EXPECT_EQ(run.claim(task()), Claim::ours);
  run.finished(task(), 1);
  EXPECT_EQ(run.claim(task()), Claim::done);
}

TEST_F(FolderClaimsTest, FailuresOfRunsSideBySideCountTogether) {
  // All runs were there before the first one failed.
  FolderClaims one(options(), status_), other(options(), status_), third(options(), status_);
  EXPECT_EQ(one.claim(task()), Claim::ours);
  one.failed(task(), "no room", 1);
  EXPECT_EQ(other.claim(task()), Claim::ours);
  other.failed(task(), "no room", 1);
  EXPECT_EQ(third.claim(task()), Claim::set_aside);
  EXPECT_EQ(one.claim(task()), Claim::set_aside);
}

TEST_F(FolderClaimsTest, ARunByHandBeginsToCountAnewAndRetryForAll) {
  {
    FolderClaims run(options(), status_);
    for (int time = 0; time < 2; ++time) {
      EXPECT_EQ(run.claim(task()), Claim::ours);
      run.failed(task(), "no room", 1);
    }
  }
  {
    FolderClaims batch(options(), status_);
    EXPECT_EQ(batch.claim(task()), Claim::set_aside);
    FolderClaims by_hand(options(false), status_);
    EXPECT_EQ(by_hand.claim(task()), Claim::ours);
    by_hand.give_back(task());
  }
  write_plan_file(directory_.path(), {"job", {""}, {{task().id, "before, v2", 0}}});
  EXPECT_EQ(retry_failed(directory_.path()), 1u);
  FolderClaims again(options(), status_);
  EXPECT_EQ(again.claim(task()), Claim::ours);
  // Two new failures set it aside; those before `retry` do not count.
  again.failed(task(), "no room", 1);
  EXPECT_EQ(again.claim(task()), Claim::ours);
  again.failed(task(), "no room", 1);
  EXPECT_EQ(again.claim(task()), Claim::set_aside);
}

TEST_F(FolderClaimsTest, WhatFailedOnAHostWhoseClockIsAheadIsTriedAgain) {
  FolderClaims batch(options(), status_);
  for (const char* host : {"ahead-1", "ahead-2"}) {
    JournalWriter journal(directory_.path(), host);
    JournalRecord failed{JournalEvent::failed, task().id, "", "no room"};
    failed.time = unix_seconds() + 3600;
    journal.add(failed);
  }
  EXPECT_EQ(batch.claim(task()), Claim::set_aside);
  write_plan_file(directory_.path(), {"job", {""}, {{task().id, "before, v2", 0}}});
  EXPECT_EQ(retry_failed(directory_.path()), 1u);
  EXPECT_EQ(batch.claim(task()), Claim::ours);
}

TEST_F(FolderClaimsTest, ATaskThatWasTakenOverIsNotWritten) {
  FolderClaims run(options(), status_);
  EXPECT_EQ(run.claim(task()), Claim::ours);
  EXPECT_NO_THROW(run.confirm(task()));
  std::ofstream(lease(), std::ios::trunc) << "another-1-00000000\n";
  EXPECT_THROW(run.confirm(task()), LeaseLost);
  run.give_back(task());
  EXPECT_TRUE(is_regular_file(lease())) << "another's lease stays";
}

TEST_F(FolderClaimsTest, OneAtATimeDoesWhatTwoMustNot) {
  FolderClaims one(options(), status_), other(options(), status_);
  int done = 0;
  const bool first = one.alone("index", FolderClaims::Patience::none, [&] {
    EXPECT_FALSE(other.alone("index", FolderClaims::Patience::none, [&] { ++done; }));
  });
  EXPECT_TRUE(first);
  EXPECT_EQ(done, 0);
  EXPECT_TRUE(other.alone("index", FolderClaims::Patience::none, [&] { ++done; }));
  EXPECT_EQ(done, 1);
}

TEST_F(FolderClaimsTest, StatusTellsTimesRanksAndTheLastReason) {
  write_plan_file(directory_.path(), {"job", {""}, {{task().id, "before, v2", 0}}});
  FolderClaims run(options(), status_);
  run.claim(task());
  run.failed(task(), "first", 2);
  run.claim(task());
  run.failed(task(), "second", 2);
  const FolderStatus status = folder_status(directory_.path(), 2e9);
  ASSERT_EQ(status.jobs.size(), 1u);
  EXPECT_EQ(status.jobs[0].tasks[0].phase, TaskPhase::set_aside);
  EXPECT_EQ(status.jobs[0].tasks[0].reason, "second");
  double seconds = 0;
  JournalReader journals(directory_.path());
  for (const TaskSpan& span : spans_of(journals.read_new())) seconds += span.seconds;
  EXPECT_NEAR(status.rank_hours * 3600, 2 * seconds, 1e-9);
}

}  // namespace
}  // namespace apportion
