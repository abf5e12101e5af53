// The coordinator with workers that compute nothing: every task is assigned, put together and recorded; every
// failure ends in one error that says which rank and why.
#include "coordinator/coordinator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <memory>
#include <mutex>
#include <thread>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/config/method.h"
#include "shared/link/interrupt.h"
#include "tests/support/fake_workers.h"
#include "tests/support/sample_results.h"
#include "tests/support/small_job.h"

namespace apportion {
namespace {

class CoordinatorTest : public testing::Test {
 protected:
  CoordinatorTest() {
    config_ = default_config({{"output", directory_.path()}, {"quiet", "true"}, {"rounds", "7"}});
    MeasureTables tables;
    tables.subjects = {"a", "b", "c"};
    tables.categories = {"x", "y"};
    tables.prompts = {"a1", "a2", "b1", "b2", "c1", "c2"};
    tables.target = {{0.5, 0.5}, {0.25, 0.75}, {1, 0}};
    job_ = {directory_.path(), {{"v2", tables}}, 7};
    tasks_ = {task("measure", "before, v2", {}), task("sft", "stage 1", {})};
    tasks_.push_back(task("calibrate", "stage 2", {tasks_[1].id}));
    tasks_.push_back(task("measure", "after, v2", {tasks_[2].id}));
  }

  static Task task(const std::string& kind, const std::string& label,
                   const std::vector<std::string>& inputs) {
    Task result;
    result.kind = task_kind(kind);
    result.label = label;
    result.inputs = inputs;
    if (kind == "measure") result.test_set = "v2";
    nlohmann::json identity = {{"kind", kind}, {"compute_type", "float32"}, {"inputs", inputs}};
    if (kind != "measure") identity.update(stage_identity({result.kind, AnswerStyle::steered, {}}));
    result.identity = identity;
    result.id = task_id(result.identity);
    return result;
  }

  /// Runs all tasks that are not done yet.
  void run(int ranks, int group_size) {
    options_.ranks = ranks;
    options_.groups = {group_size, 4};
    states_.resize(tasks_.size(), TaskState::waiting);
    MemoryLinks links(ranks);
    FakeWorkers workers(links, ranks, job_);
    Recorder recorder(directory_.path(), ranks);
    recorder.add(config_, std::make_shared<const TestSetTables>(job_.tables), task_list(tasks_));
    Status status(config_.output);
    Coordinator coordinator(links.coordinator(), recorder, *used_claims_, status, task_list(tasks_), states_,
                            options_);
    failures_ = coordinator.run();
    groups_ = workers.groups();
    group_count_ = workers.group_count();
  }

  /// What run throws.
  std::pair<std::string, int> failure(int ranks, int group_size) {
    try {
      run(ranks, group_size);
    } catch (const Error& error) {
      return {error.what(), error.exit_code()};
    }
    return {"no error", 0};
  }

  ArtefactState state_of(const Task& task) const {
    std::string why;
    return verify_artefact(directory_.path(), task, why);
  }

  std::string about(const Task& task, const std::string& key) const {
    for (const auto& [name, value] : read_task_record(result_path(directory_.path(), task.id)).about) {
      if (name == key) return value;
    }
    return "absent";
  }

  TemporaryDirectory directory_;
  RunConfig config_;
  FakeJob job_;
  CoordinatorOptions options_;
  AllClaims claims_;
  Claims* used_claims_ = &claims_;
  std::vector<TaskFailure> failures_;
  std::vector<Task> tasks_;
  std::vector<TaskState> states_;
  std::map<std::string, std::vector<int>> groups_;
  int group_count_ = 0;
};

TEST_F(CoordinatorTest, RunsAndRecordsEveryTaskOnAnyNumberOfRanks) {
  for (int ranks = 1; ranks <= 5; ++ranks) {
    for (int group_size : {0, 1, 2, ranks}) {
      run(ranks, group_size);
      EXPECT_EQ(group_count_, 4);
      for (const Task& task : tasks_) EXPECT_EQ(state_of(task), ArtefactState::verified) << task.label;
    }
  }
}

/// Another run has done the first task and takes over the `lost` one.
class SharedFolder : public AllClaims {
 public:
  explicit SharedFolder(std::string lost) : lost_(std::move(lost)) {}
  Claim claim(const Task& task) override { return task.label == "before, v2" ? Claim::done : Claim::ours; }
  void confirm(const Task& task) override {
    if (task.label != lost_) return;
    seen_ = names_in(folder_);
    throw LeaseLost(task.label + " was taken over", 1);
  }
  /// Remembers where the lost task's files are; seen() lists those that were there when it was confirmed.
  void watch(const std::string& folder) { folder_ = folder; }
  const std::vector<std::string>& seen() const { return seen_; }

 private:
  std::string lost_, folder_;
  std::vector<std::string> seen_;
};

TEST_F(CoordinatorTest, TellsOfResultsThatWereThereAsOfItsOwn) {
  SharedFolder claims("");
  used_claims_ = &claims;
  std::vector<std::string> told;
  options_.recorded = [&](const Task& task) { told.push_back(task.label); };
  run(2, 1);
  std::sort(told.begin(), told.end());
  EXPECT_EQ(told, (std::vector<std::string>{"after, v2", "before, v2", "stage 1", "stage 2"}));
  EXPECT_EQ(group_count_, 3);
}

TEST_F(CoordinatorTest, WhatAnotherRunHasTakenOverIsNotWritten) {
  SharedFolder claims("stage 1");
  used_claims_ = &claims;
  const std::string folder = task_directory(directory_.path(), tasks_[1].id);
  claims.watch(folder);
  EXPECT_EQ(failure(1, 1), (std::pair<std::string, int>("stage 1 was taken over", 1)));
  EXPECT_EQ(state_of(tasks_[1]), ArtefactState::absent);
  // The claim is confirmed as late as possible, because the run may have been stopped while it wrote.
  ASSERT_EQ(std::count_if(claims.seen().begin(), claims.seen().end(), is_temporary), 1);
  const std::vector<std::string> left = names_in(folder);
  EXPECT_EQ(std::count_if(left.begin(), left.end(), is_temporary), 0);
}

TEST_F(CoordinatorTest, RecordsEveryPromptOfAGroupInItsPlace) {
  run(4, 4);
  MeasureFile file = read_measure_file(result_path(directory_.path(), tasks_[3].id));
  const MeasureTables& tables = job_.tables.at("v2");
  EXPECT_EQ(file.tables.prompts, tables.prompts);
  for (int subject = 0; subject < 3; ++subject) {
    for (int wording = 0; wording < 2; ++wording) {
      EXPECT_EQ(file.result.at(subject, wording).counts, fake_prompt(tables, 7, subject, wording).counts);
    }
  }
}

TEST_F(CoordinatorTest, SaysWhatEachRankComputed) {
  run(4, 4);
  EXPECT_EQ(about(tasks_[0], "units_by_rank"), "2,2,1,1");
  EXPECT_EQ(about(tasks_[1], "micro_batches_by_rank"), "2,2,2,2");
  EXPECT_EQ(about(tasks_[1], "group"), "0,1,2,3");
}

TEST_F(CoordinatorTest, IndependentTasksRunOnDifferentRanks) {
  run(4, 0);
  EXPECT_EQ(groups_.at("stage 1"), (std::vector{0, 1, 2}));
  EXPECT_EQ(groups_.at("before, v2"), std::vector{3});
}

TEST_F(CoordinatorTest, TasksThatAreDoneAreNotGivenOut) {
  states_ = {TaskState::done, TaskState::done, TaskState::waiting, TaskState::waiting};
  run(2, 0);
  EXPECT_EQ(group_count_, 2);
  EXPECT_EQ(groups_.count("stage 1"), 0u);
}

TEST_F(CoordinatorTest, NamesTheRankThatFailedAndItsReason) {
  job_.instead = [](int rank, const Assign&) -> std::optional<Message> {
    if (rank == 1) return Failed{"out of memory", 1};
    return std::nullopt;
  };
  EXPECT_EQ(failure(3, 3), std::make_pair(std::string("rank 1: out of memory"), 1));
}

TEST_F(CoordinatorTest, OneProcessNeedsNoRankInItsError) {
  job_.instead = [](int, const Assign&) { return Failed{"no such file", 2}; };
  EXPECT_EQ(failure(1, 0), std::make_pair(std::string("no such file"), 2));
}

TEST_F(CoordinatorTest, FinishedTasksStayWhenALaterOneFails) {
  job_.instead = [](int rank, const Assign& assign) -> std::optional<Message> {
    if (rank == 0 && assign.task.label == "stage 2") return Failed{"lost", 1};
    return std::nullopt;
  };
  EXPECT_EQ(failure(2, 2).first, "rank 0: lost");
  EXPECT_EQ(state_of(tasks_[1]), ArtefactState::verified);
  EXPECT_EQ(state_of(tasks_[2]), ArtefactState::absent);
}

TEST_F(CoordinatorTest, ARunThatGoesOnLeavesOutWhatWaitsForAFailedTask) {
  options_.goes_on = true;
  job_.instead = [](int, const Assign& assign) -> std::optional<Message> {
    if (assign.task.label == "stage 1") return Failed{"it diverged", 1, assign.task.id};
    return std::nullopt;
  };
  run(2, 1);
  ASSERT_EQ(failures_.size(), 1u);
  EXPECT_EQ(failures_[0].task.label, "stage 1");
  EXPECT_EQ(failures_[0].reason.substr(6), ": it diverged");
  EXPECT_EQ(state_of(tasks_[0]), ArtefactState::verified);
  EXPECT_EQ(state_of(tasks_[3]), ArtefactState::absent);
  // In a group of two the other rank would wait forever; and a failure that names no task ends the run, too.
  EXPECT_EQ(failure(2, 2).first.substr(6), ": it diverged");
  job_.instead = [](int, const Assign&) { return Failed{"lost", 1}; };
  EXPECT_EQ(failure(2, 1).first.substr(6), ": lost");
}

/// Records failed tasks and requests to stop.
class Noted : public AllClaims {
 public:
  void failed(const Task& task, const std::string&, size_t) override { failed_.push_back(task.label); }
  void stopping() override { ++stopping_; }

  std::vector<std::string> failed_;
  int stopping_ = 0;
};

TEST_F(CoordinatorTest, AFullDiskEndsARunThatGoesOnAndIsNoTasksFailure) {
  Noted claims;
  used_claims_ = &claims;
  options_.goes_on = true;
  job_.instead = [](int, const Assign& assign) -> std::optional<Message> {
    if (assign.task.label != "stage 1") return std::nullopt;
    return Failed{"cannot write x: No space left on device", 2, "", true};
  };
  EXPECT_EQ(failure(1, 1), std::make_pair(std::string("cannot write x: No space left on device"), 2));
  EXPECT_TRUE(claims.failed_.empty());
}

TEST_F(CoordinatorTest, AWorkerSeesWhatItsTaskMayDependOn) {
  std::mutex mutex;
  std::map<std::string, std::map<std::string, std::string>> seen;
  job_.instead = [&](int, const Assign& assign) -> std::optional<Message> {
    const std::lock_guard lock(mutex);
    seen[assign.task.label] = assign.settings;
    return std::nullopt;
  };
  run(1, 1);
  EXPECT_FALSE(seen.at("before, v2").contains("sft_steps"));
  EXPECT_EQ(seen.at("before, v2").at("rounds"), "7");
  EXPECT_TRUE(seen.at("stage 1").contains("sft_steps"));
  EXPECT_FALSE(seen.at("stage 1").contains("calibrate_steps"));
  EXPECT_FALSE(seen.at("stage 1").contains("rounds"));
  EXPECT_TRUE(seen.at("after, v2").contains("sft_steps")) << "its input's";
  for (const auto& [task, settings] : seen) EXPECT_FALSE(settings.contains("method")) << task;
}

TEST_F(CoordinatorTest, ASignalEndsTheRunWithItsOwnExitCode) {
  // The worker sends only heartbeats, so only the signal can end the run.
  job_.instead = [](int, const Assign&) { return Heartbeat{}; };
  options_.interrupted = [] { return 2; };
  auto [reason, exit_code] = failure(2, 2);
  EXPECT_EQ(exit_code, interrupt_exit_code);
  EXPECT_NE(reason.find("Ctrl-C"), std::string::npos) << reason;
}

TEST_F(CoordinatorTest, ARunThatIsToStopWaitsForItsGroupsAndLetsTheRanksGo) {
  Noted claims;
  used_claims_ = &claims;
  std::atomic<bool> asked = false;
  std::atomic<int> pauses = 0;
  job_.instead = [&](int rank, const Assign& assign) -> std::optional<Message> {
    if (assign.task.label == "before, v2") return std::nullopt;
    asked = true;
    ++pauses;
    std::this_thread::sleep_for(std::chrono::milliseconds(rank == 0 ? 300 : 0));
    return Paused{assign.task.id, 37, 420};
  };
  options_.interrupted = [&] { return asked ? SIGUSR1 : 0; };
  options_.stop_wait_s = 60;
  try {
    run(2, 2);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const LeftInOrder& left) {
    EXPECT_EQ(
        left.what(),
        std::string("stopped by SIGUSR1 at step 37 of 420 (stage 1); the same command goes on from there"));
    EXPECT_EQ(left.exit_code(), requeue_exit_code);
  }
  EXPECT_EQ(pauses, 2);
  EXPECT_EQ(claims.stopping_, 1);
}

TEST_F(CoordinatorTest, ATaskThatIsDoneOnSomeRanksAndPausedOnAnotherIsNotRecorded) {
  std::atomic<bool> asked = false;
  job_.instead = [&](int rank, const Assign& assign) -> std::optional<Message> {
    asked = true;
    if (rank != 1) return std::nullopt;
    return Paused{assign.task.id, 1, 2};
  };
  options_.interrupted = [&] { return asked ? SIGTERM : 0; };
  options_.stop_wait_s = 60;
  // Rank 0 has done all its 3 units, rank 1 has done 1 of 2.
  EXPECT_EQ(failure(2, 2).first,
            "stopped by SIGTERM at unit 4 of 5 (before, v2); the same command goes on from there");
  EXPECT_EQ(state_of(tasks_[0]), ArtefactState::absent);
}

TEST_F(CoordinatorTest, NothingIsGivenOutOnceTheRunIsToStop) {
  options_.interrupted = [] { return SIGINT; };
  options_.stop_wait_s = 60;
  EXPECT_EQ(failure(2, 2),
            std::make_pair(
                std::string("stopped by Ctrl-C; finished tasks stay, the same command goes on from them"),
                interrupt_exit_code));
  EXPECT_EQ(state_of(tasks_[0]), ArtefactState::absent);
}

TEST_F(CoordinatorTest, ARunWhoseTasksAreAllDoneIsNotStopped) {
  states_ = {TaskState::done, TaskState::done, TaskState::done, TaskState::done};
  options_.interrupted = [] { return SIGUSR1; };
  EXPECT_EQ(failure(2, 2).first, "no error");
}

TEST_F(CoordinatorTest, ShowsARanksNoteWithTheTasksName) {
  std::atomic<int> notes = 0;
  int looks = 0;  // looks after both notes were sent: by then they have also been read
  job_.instead = [&](int rank, const Assign& assign) {
    ++notes;
    return Note{assign.task.id, rank == 0 ? "is passed over" : "goes on", rank == 0};
  };
  options_.interrupted = [&] { return notes == 2 && ++looks > 5 ? 2 : 0; };
  testing::internal::CaptureStderr();
  failure(2, 2);
  // The run is quiet, so only the warning is printed.
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "apportion: warning: before, v2: is passed over\n");
}

TEST_F(CoordinatorTest, AMissingPromptIsABug) {
  job_.instead = [](int rank, const Assign& assign) -> std::optional<Message> {
    if (rank != 1) return std::nullopt;
    Done done;
    done.task_id = assign.task.id;
    done.compute_type = "float32";
    return done;
  };
  auto [reason, exit_code] = failure(2, 2);
  EXPECT_EQ(exit_code, 3);
  EXPECT_NE(reason.find("3 prompts were not measured"), std::string::npos) << reason;
  EXPECT_EQ(state_of(tasks_[0]), ArtefactState::absent);
}

TEST_F(CoordinatorTest, ARankThatComputesInAnotherTypeIsNamed) {
  job_.instead = [](int rank, const Assign& assign) -> std::optional<Message> {
    if (rank != 1) return std::nullopt;
    Done done;
    done.task_id = assign.task.id;
    done.compute_type = "bfloat16";
    return done;
  };
  auto [reason, exit_code] = failure(2, 2);
  EXPECT_EQ(exit_code, 1);
  EXPECT_NE(reason.find("rank 1"), std::string::npos) << reason;
  EXPECT_NE(reason.find("measure_compute_type"), std::string::npos) << reason;
}

TEST_F(CoordinatorTest, AMessageOnATaskThatTheRankWasNotGivenIsABug) {
  job_.instead = [](int, const Assign&) { return Histogram{"another task", 0, {}}; };
  EXPECT_EQ(failure(1, 0).second, 3);
  job_.instead = [](int, const Assign&) { return Note{"another task", "text", false}; };
  EXPECT_EQ(failure(1, 0).second, 3);
  job_.instead = [](int, const Assign&) { return Stop{}; };
  EXPECT_EQ(failure(1, 0).second, 3);
}

}  // namespace
}  // namespace apportion
