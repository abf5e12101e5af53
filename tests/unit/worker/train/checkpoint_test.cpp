// A stage stopped after any step and begun again gives the same bytes as one that was not stopped; what is
// damaged is skipped with a message.
#include "worker/train/checkpoint.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "shared/base/error.h"
#include "shared/store/checkpoint.h"
#include "tests/support/sample_results.h"
#include "tests/support/worker/stopped_training.h"

namespace apportion {
namespace {

using ::testing::AllOf;
using testing::comparable;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::run_stage;
using testing::Stage;
using testing::stage_steps;
using testing::StageRun;
using ::testing::StartsWith;
using testing::TinyWorld;
using testing::to_the_end;
using Note = TrainCheckpoint::Note;

class TrainCheckpointTest : public ::testing::Test {
 protected:
  StageRun run(Stage stage, int every, int stop_after = to_the_end, const std::string& task = "task") {
    auto collectives = make_local_collectives();
    return run_stage(world_, stage, *collectives, {folder_, task, every}, stop_after);
  }

  void expect_equal(const StageRun& one, const StageRun& other) {
    EXPECT_TRUE(at::equal(one.values, other.values));
    EXPECT_EQ(comparable(one.log), comparable(other.log));
    EXPECT_EQ(one.log.seconds.size(), other.log.seconds.size());
  }

  /// Changes the last byte of a file.
  static void damage(const std::string& file) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(-1, std::ios::end);
    const auto byte = static_cast<char>(stream.get() ^ 1);
    stream.seekp(-1, std::ios::end);
    stream.put(byte);
  }

  TemporaryDirectory directory_;
  std::string folder_ = directory_.path() + "/checkpoint";
  TinyWorld world_{at::kBFloat16};
};

TEST_F(TrainCheckpointTest, StoppedAfterAnyStepTheResultIsTheSame) {
  for (Stage stage : {Stage::sft, Stage::calibrate}) {
    std::filesystem::remove_all(folder_);
    const StageRun through = run(stage, 0);
    ASSERT_EQ(through.log.step.size(), static_cast<size_t>(stage_steps));
    for (int stop = 1; stop <= stage_steps; ++stop) {
      std::filesystem::remove_all(folder_);
      const StageRun stopped = run(stage, 1, stop);
      EXPECT_FALSE(at::equal(stopped.values, through.values) && stop < stage_steps);
      const StageRun resumed = run(stage, 1);
      expect_equal(resumed, through);
      // Step `stop` was not saved; the one before was, but only the next step completes it.
      const std::string begin = stop == 1   ? ""
                                : stop == 2 ? "starts from the beginning: no checkpoint is whole"
                                            : "goes on from step " + std::to_string(stop - 2) + " of 7";
      EXPECT_THAT(resumed.notes.empty() ? "" : resumed.notes.back().second, StartsWith(begin)) << stop;
      EXPECT_EQ(resumed.notes.empty(), stop == 1);
    }
  }
}

TEST_F(TrainCheckpointTest, AskedToStopBeforeAnyStepItGoesOnFromThere) {
  const StageRun through = run(Stage::calibrate, 0);
  for (int before = 0; before < stage_steps; ++before) {
    std::filesystem::remove_all(folder_);
    auto collectives = make_local_collectives();
    int looks = 0;
    const CheckpointPlan plan{folder_, "task", 0, [&] { return looks++ == before; }};
    EXPECT_EQ(run_stage(world_, Stage::calibrate, *collectives, plan, to_the_end).paused_after, before);
    EXPECT_EQ(checkpoint_steps(folder_).size(), before == 0 ? 0u : 1u);
    expect_equal(run(Stage::calibrate, 0), through);
  }
}

TEST_F(TrainCheckpointTest, StoppedAgainAndAgainTheResultIsTheSame) {
  const StageRun through = run(Stage::calibrate, 0);
  for (int stop = 2; stop <= stage_steps; ++stop) run(Stage::calibrate, 1, stop);
  expect_equal(run(Stage::calibrate, 1), through);
}

TEST_F(TrainCheckpointTest, SavesWhenItIsTimeButNotAfterTheLastStep) {
  run(Stage::sft, 0);
  EXPECT_FALSE(std::filesystem::exists(folder_));
  run(Stage::sft, 7);
  EXPECT_FALSE(std::filesystem::exists(folder_));
  const StageRun saving = run(Stage::sft, 3);
  EXPECT_THAT(checkpoint_steps(folder_), ElementsAre(6, 3));
  EXPECT_TRUE(saving.notes.empty()) << "nothing was found";
}

TEST_F(TrainCheckpointTest, ADamagedOneIsPassedOverForTheOneBefore) {
  const StageRun through = run(Stage::sft, 0);
  run(Stage::sft, 1, 6);  // saves 4 and 5, and completes at least 4
  const std::string path = checkpoint_path(folder_, 4);
  ASSERT_TRUE(std::filesystem::exists(path + "/COMPLETE"));
  remove_checkpoints_after(folder_, 4);
  damage(data_path(path, 0, 1));
  const StageRun resumed = run(Stage::sft, 0);
  expect_equal(resumed, through);
  ASSERT_EQ(resumed.notes.size(), 2u);
  EXPECT_EQ(resumed.notes[0].first, Note::warning);
  EXPECT_THAT(resumed.notes[0].second,
              AllOf(HasSubstr("step 4 is skipped"), HasSubstr(data_path(path, 0, 1)), HasSubstr("SHA-256")));
  EXPECT_EQ(resumed.notes[1], std::make_pair(Note::information,
                                             std::string("goes on from step 3 of 7 (checkpoint of 1 rank)")));
  EXPECT_THAT(checkpoint_steps(folder_), ElementsAre(3)) << "the damaged one is removed";
}

TEST_F(TrainCheckpointTest, WithoutOneThatIsWholeTheStageStartsAnew) {
  const StageRun through = run(Stage::sft, 0);
  run(Stage::sft, 3);
  for (uint64_t step : checkpoint_steps(folder_)) damage(checkpoint_path(folder_, step) + "/COMPLETE");
  const StageRun resumed = run(Stage::sft, 0);
  expect_equal(resumed, through);
  ASSERT_EQ(resumed.notes.size(), 3u);
  EXPECT_THAT(resumed.notes[2].second, HasSubstr("starts from the beginning"));
  EXPECT_THAT(checkpoint_steps(folder_), ElementsAre());
}

TEST_F(TrainCheckpointTest, AnotherTasksStateIsRefused) {
  run(Stage::sft, 3);
  EXPECT_THROW(run(Stage::sft, 3, to_the_end, "another"), UserError);
}

TEST_F(TrainCheckpointTest, AStateOfAnotherSizeIsPassedOver) {
  auto collectives = make_local_collectives();
  CheckpointWriter writer(folder_, "task", 0, 1);
  const CheckpointTensor small{"adapter", ElementType::float32, {2}};
  writer.start(3, {{small, 0, 2, std::string(8, '\0')}});
  writer.start_completion(3);
  writer.wait();
  const StageRun resumed = run(Stage::sft, 0);
  ASSERT_EQ(resumed.notes.size(), 2u);
  EXPECT_THAT(resumed.notes[0].second, HasSubstr("adapter"));
  expect_equal(resumed, run(Stage::sft, 0));
}

TEST_F(TrainCheckpointTest, WhatCannotBeWrittenEndsTheStage) {
  std::ofstream(folder_) << "a file where a folder is to be";
  EXPECT_THROW(run(Stage::sft, 3), UserError);
}

}  // namespace
}  // namespace apportion
