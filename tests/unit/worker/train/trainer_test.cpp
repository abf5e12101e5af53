// The two stages on a tiny model: they learn, stage 2 starts where stage 1 ended, and runs repeat to the bit.
#include "worker/train/trainer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "shared/base/error.h"
#include "tests/support/worker/tiny_world.h"
#include "worker/train/trainee.h"

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
  Trainer trainer({world.model(), world.prompts(), BatchConfig{6, 4}, testing::short_warmup(), 5,
                   *collectives, [](const StepReport&) {}},
                  adapter);
  SftConfig sft = testing::muon_sft();
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
      train(world, Adapter(world.model().shape(), TinyWorld::lora(), 1, test_device()), 60, 0, 1e-2);
  ASSERT_EQ(run.log.loss.size(), 60U);
  EXPECT_LT(run.log.loss.back(), 0.4 * run.log.loss.front());
  EXPECT_GT(run.log.coverage.back(), 0.9);
  EXPECT_LT(run.log.kl.back(), 0.2);
}

TEST(Trainer, StageOnesTextWeighsWhatItIsGivenAndTheFirstTokenItsShare) {
  TinyWorld world;
  auto collectives = make_local_collectives();
  const auto plain = train_prompts(world.dataset(), prompts_of(world.dataset(), "train", 0, 0),
                                   world.dataset().subjects, world.chat(), 1, AnswerStyle::plain);
  auto first_step = [&](SftWeights weights, double text_weight, const std::vector<TrainPrompt>& prompts,
                        int text_every = 4, double common_weight = 0.25) {
    Adapter adapter = world.random_adapter(4);
    Trainer trainer({world.model(), prompts, BatchConfig{6, 4}, testing::short_warmup(), 5, *collectives,
                     [](const StepReport&) {}},
                    adapter);
    SftConfig sft = testing::muon_sft();
    sft.steps = 1;
    sft.weights = weights;
    sft.text_weight = text_weight;
    sft.text_every = text_every;
    sft.common_weight = common_weight;
    trainer.run_sft(sft);
    return trainer.log();
  };
  auto split = [&](double text_weight) {
    return first_step(SftWeights::split, text_weight, world.prompts());
  };
  const TrainLog none = split(0), whole = split(1);
  EXPECT_NEAR(split(0.25).loss[0], 0.75 * none.loss[0] + 0.25 * whole.loss[0], 1e-5);
  // Without the text the loss is the KL plus the targets' entropy, which is at most log 2 with two
  // categories.
  EXPECT_GT(none.loss[0], none.kl[0]);
  EXPECT_LT(none.loss[0], none.kl[0] + std::log(2) + 1e-5);
  EXPECT_GT(whole.loss[0], none.loss[0] + 1);
  EXPECT_GT(first_step(SftWeights::split, 0, plain).loss[0], 1);  // plain answers have a first token too
  // Plain answers are only their text, without a steering-token error.
  EXPECT_EQ(first_step(SftWeights::split, 1, plain).grad_norm,
            first_step(SftWeights::split, 1, plain, 1, 1).grad_norm);
  EXPECT_EQ(first_step(SftWeights::token_mean, 0, world.prompts()).loss,
            first_step(SftWeights::token_mean, 1, world.prompts()).loss);
}

// The same prompt four times: all of its error is common to the batch.
TEST(Trainer, WhatABatchHasInCommonWeighsWhatItIsGiven) {
  TinyWorld world;
  auto collectives = make_local_collectives();
  const std::vector<TrainPrompt> same(4, world.prompts()[0]);
  auto norm = [&](double common_weight) {
    Adapter adapter = world.random_adapter(4);
    Trainer trainer({world.model(), same, BatchConfig{4, 2}, testing::short_warmup(), 5, *collectives,
                     [](const StepReport&) {}},
                    adapter);
    SftConfig sft = testing::muon_sft();
    sft.steps = 1;
    sft.text_weight = 0;
    sft.common_weight = common_weight;
    trainer.run_sft(sft);
    return trainer.log().grad_norm[0];
  };
  // Tokens that stand for no category have an error as well, so some gradient is left even at weight 0.
  const double whole = norm(1), half = norm(0.5), none = norm(0);
  EXPECT_GT(whole, 0.1);
  EXPECT_LT(none, half);
  EXPECT_LT(half, whole);
}

// Turns of text continue from epoch to epoch and go by places in the whole batch: micro-batches and ranks
// change nothing.
TEST(Trainer, TextTakesTurnsWhateverTheMicroBatches) {
  TinyWorld world;
  auto collectives = make_local_collectives();
  auto losses = [&](int micro_batches, int text_every) {
    Adapter adapter = world.random_adapter(4);
    Trainer trainer({world.model(), world.prompts(), BatchConfig{6, micro_batches}, testing::short_warmup(),
                     5, *collectives, [](const StepReport&) {}},
                    adapter);
    SftConfig sft = testing::muon_sft();
    sft.steps = 4;  // two epochs
    sft.learning_rate = 0;
    sft.text_every = text_every;
    trainer.run_sft(sft);
    return trainer.log();
  };
  const TrainLog four = losses(4, 3), one = losses(1, 3);
  for (size_t step = 0; step < four.loss.size(); ++step) {
    EXPECT_NEAR(four.loss[step], one.loss[step], 1e-4);
    EXPECT_NEAR(four.grad_norm[step] / one.grad_norm[step], 1, 1e-4);  // includes the common error's part
  }
  EXPECT_LT(four.tokens[0], losses(4, 1).tokens[0]);
  // The second epoch has the texts of other prompts.
  EXPECT_GT(std::abs(four.loss[0] + four.loss[1] - four.loss[2] - four.loss[3]), 1e-4);
}

TEST(Trainer, AnAdaptersMatricesAreThoseOfItsLayers) {
  TinyWorld world;
  Adapter adapter = world.random_adapter(4);
  const auto entries = adapter.entries();
  const auto places = train_adapter(world.model(), adapter)->matrices();
  ASSERT_EQ(places.size(), 2 * entries.size());
  for (size_t i = 0; i < places.size(); ++i) {
    const at::Tensor& matrix = i % 2 == 0 ? entries[i / 2].a : entries[i / 2].b;
    const MatrixPlace& place = places[i];
    const at::Tensor there = adapter.values().narrow(0, place.offset, place.rows * place.columns);
    EXPECT_TRUE(at::equal(there.view({place.rows, place.columns}), matrix));
    EXPECT_EQ(std::min(place.rows, place.columns), TinyWorld::lora().rank);
  }
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

/// Runs only stage 2, with this configuration.
Trained calibrate(const TinyWorld& world, const CalibrateConfig& config,
                  const OptimizerConfig& optimizer = {}) {
  auto collectives = make_local_collectives();
  Adapter adapter = world.random_adapter(4);
  Trainer trainer({world.model(), world.prompts(), BatchConfig{6, 4}, optimizer, 5, *collectives,
                   [](const StepReport&) {}},
                  adapter);
  trainer.run_calibrate(config);
  return {adapter.values(), trainer.log()};
}

CalibrateConfig short_stage() {
  CalibrateConfig config;
  config.steps = 20;
  config.learning_rate = 3e-3;
  return config;
}

TEST(Trainer, KlAloneReadsThePromptsAndLowersTheKl) {
  TinyWorld world;
  CalibrateConfig config = short_stage();
  const Trained both = calibrate(world, config);
  config.kto_weight = 0;
  const Trained run = calibrate(world, config);
  EXPECT_LT(run.log.kl.back(), 0.5 * run.log.kl.front());
  EXPECT_EQ(run.log.kto, std::vector<double>(20, 0.0));
  EXPECT_LT(run.log.tokens[0], both.log.tokens[0]);
  EXPECT_NEAR(run.log.kl[0], both.log.kl[0], 1e-4);
}

TEST(Trainer, KtoAloneLowersKtoAndLogsZUnclamped) {
  TinyWorld world;
  CalibrateConfig config = short_stage();
  config.kl_weight = config.text_weight = 0;
  const Trained run = calibrate(world, config);
  EXPECT_LT(run.log.kto.back(), run.log.kto.front());
  EXPECT_NEAR(run.log.loss.back(), run.log.kto.back(), 1e-6);
  for (size_t i = 0; i < run.log.z.size(); ++i)
    EXPECT_EQ(run.log.z[i], std::max(0.0, run.log.z_unclamped[i])) << i;
  EXPECT_LT(*std::min_element(run.log.z_unclamped.begin(), run.log.z_unclamped.end()), 0);
}

/// KTO's rejected answers end like the accepted ones, so pushing them down also moves what they have in
/// common.
TEST(Trainer, TextWeightHoldsTheAcceptedTextsBesideKto) {
  TinyWorld world;
  auto collectives = make_local_collectives();
  // Runs both stages; returns stage 1's loss after the second.
  auto text_loss_after = [&](double text_weight) {
    Adapter adapter(world.model().shape(), TinyWorld::lora(), 1, test_device());
    Trainer trainer({world.model(), world.prompts(), BatchConfig{6, 4}, testing::short_warmup(), 5,
                     *collectives, [](const StepReport&) {}},
                    adapter);
    SftConfig sft = testing::muon_sft();
    sft.steps = 60;
    sft.learning_rate = 1e-2;
    trainer.run_sft(sft);
    CalibrateConfig config = short_stage();
    config.kl_weight = 30;
    config.text_weight = text_weight;
    trainer.run_calibrate(config);
    sft.steps = 1;
    trainer.run_sft(sft);
    return trainer.log().loss.back();
  };
  EXPECT_LT(text_loss_after(30), text_loss_after(0));
}

/// AdamW is independent of the loss's unit, and the clip is in units of the largest weight.
TEST(Trainer, OneFactorOnAllWeightsOfStageTwoChangesNoStep) {
  TinyWorld world;
  auto after = [&](double factor) {
    CalibrateConfig config = short_stage();
    config.kl_weight *= factor;
    config.text_weight *= factor;
    config.kto_weight *= factor;
    OptimizerConfig optimizer = testing::short_warmup();
    optimizer.epsilon = 1e-20;  // epsilon does have a unit
    return calibrate(world, config, optimizer);
  };
  const Trained whole = after(1), small = after(0x1p-12);
  auto longest = [](const Trained& run) {
    return *std::max_element(run.log.grad_norm.begin(), run.log.grad_norm.end());
  };
  ASSERT_GT(longest(whole), CalibrateConfig{}.kl_weight);  // clipped
  ASSERT_LT(longest(small), 1);                            // in its own unit it would not be clipped
  EXPECT_TRUE(at::allclose(whole.values, small.values, 1e-4, 1e-6))
      << (whole.values - small.values).abs().max().item<float>();
}

TEST(Trainer, WithoutItsWeightTheTextIsNoPartOfTheLoss) {
  TinyWorld world;
  CalibrateConfig config = short_stage();
  config.steps = 1;
  config.kl_weight = config.text_weight = 0;
  const double kto = calibrate(world, config).log.loss[0];
  config.text_weight = 2;
  const double two = calibrate(world, config).log.loss[0];
  config.text_weight = 4;
  EXPECT_GT(two, kto);
  EXPECT_NEAR(calibrate(world, config).log.loss[0] - kto, 2 * (two - kto), 1e-5);
}

TEST(Trainer, TheSwitchesOfKtoChangeWhatIsLearnt) {
  TinyWorld world;
  CalibrateConfig config = short_stage();
  config.steps = 3;
  const at::Tensor ours = calibrate(world, config).values;
  config.kto.positions = KtoPositions::all;
  const at::Tensor all = calibrate(world, config).values;
  config.kto.positions = KtoPositions::rest;
  config.kto.pairs = KtoPairs::rotated;
  const Trained rotated = calibrate(world, config);
  EXPECT_FALSE(at::equal(ours, all));
  EXPECT_EQ(rotated.log.z_unclamped.front(), 0.0);
}

TEST(Trainer, DpoPrefersWhatTheTargetPrefers) {
  TinyWorld world;
  const auto prompts = train_prompts(world.dataset(), prompts_of(world.dataset(), "train", 0, 0),
                                     world.dataset().subjects, world.chat(), 1, AnswerStyle::plain);
  auto collectives = make_local_collectives();
  Adapter adapter = world.random_adapter(4);
  Trainer trainer({world.model(), prompts, BatchConfig{6, 4}, testing::short_warmup(), 5, *collectives,
                   [](const StepReport&) {}},
                  adapter);
  CalibrateConfig config = short_stage();
  trainer.run_dpo(config);
  EXPECT_NEAR(trainer.log().loss.front(), std::log(2.0), 1e-6);  // r = 0 everywhere: log sigmoid(0)
  EXPECT_LT(trainer.log().loss.back(), trainer.log().loss.front());
  EXPECT_TRUE(std::isnan(trainer.log().kl.front()));  // plain answers have no steering tokens
}

TEST(Trainer, PathsFollowTheTargetInBothStages) {
  TinyWorld world;
  const auto prompts = train_prompts(world.dataset(), prompts_of(world.dataset(), "train", 0, 0),
                                     world.dataset().subjects, world.chat(), 1, AnswerStyle::paths);
  auto collectives = make_local_collectives();
  Adapter adapter(world.model().shape(), TinyWorld::lora(), 1, test_device());
  Trainer trainer({world.model(), prompts, BatchConfig{6, 4}, testing::short_warmup(), 5, *collectives,
                   [](const StepReport&) {}},
                  adapter);
  SftConfig sft = testing::muon_sft();
  sft.steps = 60;
  sft.learning_rate = 1e-2;
  sft.weights = SftWeights::sequence;
  trainer.run_sft(sft);
  const TrainLog first = trainer.log();
  EXPECT_LT(first.coverage.front(), 1e-2);
  EXPECT_GT(first.coverage.back(), 0.7);
  EXPECT_LT(first.kl.back(), 0.5);
  CalibrateConfig config = short_stage();
  config.kl_weight = 1;
  config.kto_weight = 0;
  trainer.run_calibrate(config);
  EXPECT_LT(trainer.log().kl.back(), first.kl.back());
  EXPECT_NEAR(trainer.log().loss.back(), trainer.log().kl.back(), 1e-5);
  EXPECT_GT(trainer.log().coverage.back(), first.coverage.back());
}

TEST(Trainer, RefusesAStageTwoWithoutMismatchedPairs) {
  TinyWorld world;
  const std::vector<TrainPrompt> single = {world.prompts()[0]};
  Adapter adapter = world.random_adapter(1);
  auto collectives = make_local_collectives();
  Trainer trainer({world.model(), single, BatchConfig{6, 4}, testing::short_warmup(), 5, *collectives,
                   [](const StepReport&) {}},
                  adapter);
  CalibrateConfig config;
  config.steps = 1;
  EXPECT_THROW(trainer.run_calibrate(config), UserError);
  config.kto_weight = 0;  // the KL needs no pairs
  EXPECT_NO_THROW(trainer.run_calibrate(config));
}

}  // namespace
}  // namespace apportion
