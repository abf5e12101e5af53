// The two stages on a tiny model: they learn, stage 2 starts where stage 1 ended, and repeat to the bit.
#include "worker/train/trainer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "shared/base/error.h"
#include "tests/support/worker/tiny_world.h"

namespace apportion {
namespace {

using testing::TinyWorld;

struct Trained {
  at::Tensor values;
  TrainLog log;
};

Trained train(const TinyWorld& world, Adapter adapter, int sft_steps, int calibrate_steps,
              double rate = 3e-3) {
  auto collectives = make_local_collectives();
  Trainer trainer(world.model(), adapter, world.prompts(), BatchConfig{6, 4}, OptimizerConfig{}, 5,
                  *collectives, [](const StepReport&) {});
  SftConfig sft;
  sft.steps = sft_steps;
  sft.learning_rate = rate;
  CalibrateConfig calibrate;
  calibrate.steps = calibrate_steps;
  calibrate.learning_rate = rate;
  if (sft_steps > 0) trainer.run_sft(sft);
  if (calibrate_steps > 0) trainer.run_calibrate(calibrate);
  return {adapter.values(), trainer.log()};
}

TEST(Trainer, StageOneLearnsTheTargets) {
  TinyWorld world;
  const Trained run =
      train(world, Adapter(world.model().shape(), TinyWorld::lora(), 1, at::kCPU), 60, 0, 1e-2);
  ASSERT_EQ(run.log.loss.size(), 60U);
  EXPECT_LT(run.log.loss.back(), 0.4 * run.log.loss.front());
  EXPECT_GT(run.log.coverage.back(), 0.9);
  EXPECT_LT(run.log.kl.back(), 0.2);
}

TEST(Trainer, TheReferenceEqualsThePolicyAtTheFirstStep) {
  for (at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    TinyWorld world(type);
    const Trained run = train(world, world.random_adapter(4), 0, 3);
    EXPECT_EQ(run.log.z_unclamped.front(), 0.0);
    EXPECT_EQ(run.log.z.front(), 0.0);
    EXPECT_NEAR(run.log.kto.front(), 0.5, 1e-6);  // r = z = 0 everywhere: (w_d + w_u) / 2 of sigmoid(0)
    EXPECT_NE(run.log.z_unclamped.back(), 0.0);
  }
}

TEST(Trainer, StageTwoLowersBothOfItsTerms) {
  TinyWorld world;
  const Trained run = train(world, world.random_adapter(4), 0, 30);
  EXPECT_LT(run.log.kl.back(), run.log.kl.front());
  EXPECT_LT(run.log.kto.back(), run.log.kto.front());
}

TEST(Trainer, RepeatsToTheBit) {
  TinyWorld world(at::kBFloat16);
  const Trained one = train(world, world.random_adapter(6), 3, 3),
                two = train(world, world.random_adapter(6), 3, 3);
  EXPECT_TRUE(at::equal(one.values, two.values));
  EXPECT_EQ(one.log.loss, two.log.loss);
}

TEST(Trainer, RefusesAStageTwoWithoutMismatchedPairs) {
  TinyWorld world;
  const std::vector<TrainPrompt> single = {world.prompts()[0]};
  Adapter adapter = world.random_adapter(1);
  auto collectives = make_local_collectives();
  Trainer trainer(world.model(), adapter, single, BatchConfig{6, 4}, OptimizerConfig{}, 5, *collectives,
                  [](const StepReport&) {});
  CalibrateConfig config;
  config.steps = 1;
  EXPECT_THROW(trainer.run_calibrate(config), UserError);
}

}  // namespace
}  // namespace apportion
