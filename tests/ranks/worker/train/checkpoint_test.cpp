// A stage that some ranks began and others finish gives the same bytes as one run through by one rank.
#include "worker/train/checkpoint.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <numeric>

#include "shared/store/checkpoint.h"
#include "tests/support/mpi_main.h"
#include "tests/support/worker/stopped_training.h"

namespace apportion {
namespace {

using testing::comparable;
using testing::run_stage;
using testing::Stage;
using testing::stage_steps;
using testing::StageRun;
using testing::TinyWorld;
using testing::to_the_end;

/// mpirun is the parent of all ranks.
std::string directory() {
  return ::testing::TempDir() + "checkpoint_ranks_test." + std::to_string(::getppid());
}

/// A group of the first `count` ranks; nullptr on the others.
std::unique_ptr<Collectives> first_ranks(int count) {
  static int tag = 0;
  ++tag;
  std::vector<int> group(static_cast<size_t>(count));
  std::iota(group.begin(), group.end(), 0);
  return test_ranks().rank() < count ? make_mpi_collectives(group, tag, 50) : nullptr;
}

class TrainCheckpointTest : public ::testing::Test {
 protected:
  /// Stops after `stop` steps on the first `writers` ranks, and finishes on the first `readers`.
  void stop_and_resume(Stage stage, int writers, int readers, int stop) {
    auto all = first_ranks(test_ranks().size());
    if (test_ranks().rank() == 0) std::filesystem::remove_all(directory());
    all->barrier();
    const CheckpointPlan plan{directory() + "/checkpoint", "task", 1};
    if (auto group = first_ranks(writers)) run_stage(world_, stage, *group, plan, stop);
    all->barrier();
    const bool saved = !checkpoint_steps(plan.folder).empty();
    all->barrier();  // all have looked
    if (auto group = first_ranks(readers)) {
      const StageRun resumed = run_stage(world_, stage, *group, plan, to_the_end);
      const StageRun& through = through_[stage == Stage::sft ? 0 : 1];
      EXPECT_TRUE(at::equal(resumed.values, through.values)) << writers << " to " << readers;
      EXPECT_EQ(comparable(resumed.log), comparable(through.log)) << writers << " to " << readers;
      EXPECT_TRUE(saved);
      if (group->group_rank() == 0) {
        EXPECT_NE(resumed.notes.back().second.find("goes on from step"), std::string::npos);
        EXPECT_NE(resumed.notes.back().second.find("of " + std::to_string(writers) + " rank"),
                  std::string::npos)
            << resumed.notes.back().second;
      }
    }
    all->barrier();
    if (test_ranks().rank() == 0) std::filesystem::remove_all(directory());
  }

  StageRun run_through(Stage stage) {
    auto local = make_local_collectives();
    return run_stage(world_, stage, *local, {directory() + "/none", "task", 0}, to_the_end);
  }

  TinyWorld world_;
  StageRun through_[2] = {run_through(Stage::sft), run_through(Stage::calibrate)};
};

TEST_F(TrainCheckpointTest, AnyNumberOfRanksGoesOnFromAnyOther) {
  // Pairs of smaller numbers are tested with fewer ranks.
  const int ranks = test_ranks().size();
  for (int fewer = 1; fewer <= ranks; ++fewer) {
    for (Stage stage : {Stage::sft, Stage::calibrate}) {
      stop_and_resume(stage, ranks, fewer, stage_steps - 2);
      if (fewer < ranks) stop_and_resume(stage, fewer, ranks, stage_steps - 3);
    }
  }
}

TEST_F(TrainCheckpointTest, OneRankThatIsAskedToStopStopsAllAtOneStep) {
  const int ranks = test_ranks().size(), rank = test_ranks().rank();
  for (int asked = 0; asked < ranks; ++asked) {
    for (int every : {0, 1, 2}) {
      auto group = first_ranks(ranks);
      if (rank == 0) std::filesystem::remove_all(directory());
      group->barrier();
      int looks = 0;  // one before each step
      CheckpointPlan plan{directory() + "/checkpoint", "task", every,
                          [&] { return ++looks == 4 && rank == asked; }};
      const StageRun paused = run_stage(world_, Stage::sft, *group, plan, to_the_end);
      EXPECT_EQ(paused.paused_after, 3);
      EXPECT_EQ(checkpoint_steps(plan.folder).front(), 3u);
      EXPECT_TRUE(std::filesystem::exists(checkpoint_path(plan.folder, 3) + "/COMPLETE"));
      plan.stops = nullptr;
      const StageRun resumed = run_stage(world_, Stage::sft, *group, plan, to_the_end);
      EXPECT_EQ(resumed.paused_after, -1);
      EXPECT_TRUE(at::equal(resumed.values, through_[0].values)) << asked << " of " << ranks;
      EXPECT_EQ(comparable(resumed.log), comparable(through_[0].log));
      if (rank == 0) {
        EXPECT_NE(resumed.notes.back().second.find("goes on from step 3 of"), std::string::npos);
      }
      group->barrier();
    }
  }
  if (rank == 0) std::filesystem::remove_all(directory());
}

}  // namespace
}  // namespace apportion
