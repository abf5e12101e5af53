// Training all weights: they learn; they are the same on any number of ranks, run through or resumed on
// others, to the byte on powers of two; a rank has no more than its part; what is written loads again.
#include "worker/train/full_weights.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "shared/architecture/block.h"
#include "shared/base/digest.h"
#include "shared/base/file_system.h"
#include "shared/model_files/safetensors.h"
#include "shared/model_files/tensor_reader.h"
#include "tests/support/sample_results.h"
#include "tests/support/worker/full_ranks.h"
#include "tests/support/worker/stopped_training.h"
#include "worker/models/weight_source.h"
#include "worker/models/weights_file.h"
#include "worker/train/trainer.h"

namespace apportion {
namespace {

using testing::comparable;
using testing::FullRank;
using testing::Head;
using testing::on_full_ranks;
using testing::RankGrid;
using testing::relative_difference;
using testing::TinyWorld;
using Node = RankGrid::Node;

constexpr int steps = 4;

struct Outcome {
  std::string file;  // the weights at the end; empty if the stage was stopped
  TrainLog log;
};

/// Stands for a crash.
struct Stopped {};

class FullWeightsTest : public ::testing::Test {
 protected:
  /// Runs stage 1, or stops it before step `stop`, with a checkpoint every `every` steps.
  Outcome train(const TinyWorld& world, const RankGrid& grid, int every = 0, int stop = steps,
                int of = steps) {
    Outcome run;
    on_full_ranks(world, grid, [&](FullRank& rank) {
      const FullWeights& weights = *rank.weights;
      TrainCheckpoint checkpoint({directory_.path() + "/checkpoint", "task", every}, rank.group,
                                 [](TrainCheckpoint::Note, const std::string&) {});
      OptimizerConfig optimizer = testing::short_warmup();
      optimizer.weight_decay = 0.1;
      optimizer.warmup_steps = 1;
      Trainer trainer({rank.model, world.prompts(), BatchConfig{6, 4}, optimizer, 5, rank.group,
                       [&](const StepReport& report) {
                         if (report.step == stop) throw Stopped();
                       },
                       &checkpoint},
                      std::move(rank.weights));
      SftConfig config = testing::muon_sft();
      config.optimizer = OptimizerKind::adamw;
      config.steps = of;
      config.learning_rate = 2e-3;
      try {
        trainer.run_sft(config);
      } catch (const Stopped&) {
        return;
      }
      checkpoint.finish();
      const std::string digest =
          rank.group.group_rank() < grid.shards ? weights.save(directory_.path() + "/weights") : "";
      if (rank.group.group_rank() > 0) return;
      run.file = read_file(directory_.path() + "/weights/model.safetensors");
      EXPECT_EQ(digest, sha256_file(directory_.path() + "/weights/model.safetensors"));
      run.log = trainer.log();
    });
    return run;
  }

  at::Tensor values_of(const Outcome& run) const {
    const std::string path = directory_.path() + "/values.safetensors";
    write_file(path, run.file);
    std::vector<at::Tensor> all;
    for (const auto& [name, tensor] : read_safetensors(path))
      all.push_back(at::tensor(tensor.values, at::kFloat));
    return at::cat(all);
  }

  TemporaryDirectory directory_;
};

TEST_F(FullWeightsTest, SameOnAnyNumberOfRanks) {
  for (at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const TinyWorld world(type, type == at::kFloat ? Head::tied : Head::own);
    const Outcome alone = train(world, {});
    EXPECT_LT(alone.log.loss.back(), alone.log.loss.front());
    for (const RankGrid& grid : std::vector<RankGrid>{
             {2, 1, Node::many}, {4, 1, Node::one}, {2, 2, Node::many}, {1, 2, Node::many}}) {
      const Outcome run = train(world, grid);
      EXPECT_TRUE(run.file == alone.file) << grid.name();
      EXPECT_EQ(comparable(run.log), comparable(alone.log)) << grid.name();
    }
    const Outcome three = train(world, {3, 1, Node::many});
    EXPECT_LT(relative_difference(values_of(three), values_of(alone)), 1e-5);
    EXPECT_NEAR(three.log.grad_norm.back() / alone.log.grad_norm.back(), 1, 1e-5);
  }
}

TEST_F(FullWeightsTest, GoesOnFromACheckpointOfOtherRanks) {
  const TinyWorld world(at::kBFloat16);
  const Outcome through = train(world, {});
  for (const auto& [writers, readers] :
       std::vector<std::pair<RankGrid, RankGrid>>{{{4, 1, Node::many}, {1, 1, Node::many}},
                                                  {{1, 1, Node::many}, {2, 2, Node::many}},
                                                  {{2, 2, Node::many}, {4, 1, Node::one}},
                                                  {{3, 1, Node::many}, {2, 1, Node::many}}}) {
    remove_directory(directory_.path() + "/checkpoint");
    EXPECT_EQ(train(world, writers, 1, 3).file, "");
    const Outcome resumed = train(world, readers, 1);
    const std::string names = writers.name() + " to " + readers.name();
    EXPECT_EQ(resumed.log.loss.size(), static_cast<size_t>(steps)) << names;
    if (writers.shards == 3) {
      EXPECT_LT(relative_difference(values_of(resumed), values_of(through)), 1e-5);
    } else {
      EXPECT_TRUE(resumed.file == through.file) << names;
    }
  }
}

TEST_F(FullWeightsTest, ARankHasItsPartAlone) {
  const TinyWorld world(at::kBFloat16, Head::own);
  const auto all = static_cast<double>(world.model().shape().parameters());
  on_full_ranks(world, {4, 1, Node::many}, [&](FullRank& rank) {
    // A part differs from a fourth by at most a line of 32 values for each block, each chunk, and the norms.
    const double lines = 32.0 * static_cast<double>(2 + 2 * rank.model.vocabulary().chunks() + 1);
    EXPECT_NEAR(static_cast<double>(rank.weights->values().numel()), all / 4, lines);
    EXPECT_FALSE(rank.model.is_whole());
  });
}

TEST_F(FullWeightsTest, BeginsWithTheModelsWeightsWhichLoadAgain) {
  for (Head head : {Head::tied, Head::own}) {
    const TinyWorld world(at::kBFloat16, head);
    on_full_ranks(world, {2, 1, Node::many}, [&](FullRank& rank) { rank.weights->save(directory_.path()); });
    const auto saved =
        std::make_unique<WeightSource>(folder_tensors(directory_.path(), world.model().shape()));
    for (const auto& [name, sizes] : tensors_of(world.model().shape())) {
      EXPECT_TRUE(at::equal(saved->whole(name), world.weights().whole(name))) << name;
      EXPECT_TRUE(at::equal(saved->rows(name, 3, 9), world.weights().rows(name, 3, 9))) << name;
    }
  }
}

TEST_F(FullWeightsTest, StageTwoBeginsWithItsReference) {
  const TinyWorld world(at::kBFloat16);
  on_full_ranks(world, {2, 1, Node::many}, [&](FullRank& rank) {
    Trainer trainer({rank.model, world.prompts(), BatchConfig{6, 4}, testing::short_warmup(), 5, rank.group,
                     [](const StepReport&) {}},
                    std::move(rank.weights));
    CalibrateConfig config;
    config.steps = 3;
    config.learning_rate = 1e-3;
    trainer.run_calibrate(config);
    EXPECT_EQ(trainer.log().z_unclamped.front(), 0.0);
    EXPECT_NEAR(trainer.log().kto.front(), 0.5, 1e-6);
    EXPECT_NE(trainer.log().z_unclamped.back(), 0.0);
  });
}

}  // namespace
}  // namespace apportion
