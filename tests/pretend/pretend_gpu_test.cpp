// The pretend GPU finds the faults it exists to find; training and measuring on it reach the CPU's results;
// and the number of calls they make is counted.
#include "tests/support/pretend_gpu/pretend_gpu.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/bench/device_calls.h"
#include "tests/support/worker/full_ranks.h"
#include "tests/support/worker/tiny_world.h"
#include "worker/models/queued_copy.h"
#include "worker/sample/measure_units.h"
#include "worker/train/trainer.h"

namespace apportion {
namespace {

using testing::TinyWorld;

constexpr double bound = 2e-4;  // docs/numerics.md

TEST(PretendGpuDeathTest, HostCodeThatReadsItsMemoryDies) {
  const at::Tensor tensor = at::ones({4}, at::TensorOptions().device(testing::pretend_gpu()));
  EXPECT_DEATH((void)*const_cast<volatile float*>(tensor.data_ptr<float>()), "");
  EXPECT_EQ(tensor.sum().item<float>(), 4);
}

TEST(PretendGpu, RefusesTensorsOfBothPlaces) {
  const at::Tensor there = at::ones({4}, at::TensorOptions().device(testing::pretend_gpu()));
  EXPECT_THROW(there + at::ones({4}), c10::Error);
  EXPECT_THROW(there.index_select(0, at::zeros({1}, at::kLong)), c10::Error);
  EXPECT_EQ((there + at::ones({})).sum().item<float>(), 8);  // a single value may come from the host
}

TEST(PretendGpu, MemoryHoldsNothingToRelyOn) {
  const at::Tensor tensor = at::empty({4}, at::TensorOptions().device(testing::pretend_gpu()));
  EXPECT_TRUE(tensor.isnan().all().item<bool>());
}

TEST(PretendGpu, CountsWaits) {
  const at::Device device = testing::pretend_gpu();
  at::Tensor one = at::ones({3}), other = at::arange(5, at::kLong), none;
  testing::reset_device_calls();
  move_together({&one, &other, &none}, device);
  EXPECT_EQ(testing::device_calls().waits, 0);
  EXPECT_EQ(testing::device_calls().to_device, 1);
  EXPECT_TRUE(at::equal(other.cpu(), at::arange(5, at::kLong)));
  EXPECT_EQ(testing::device_calls().waits, 1);
  at::ones({3}).to(device);  // unpinned memory
  EXPECT_EQ(testing::device_calls().waits, 2);
  one.sum().item<float>();
  at::nonzero(one);
  EXPECT_EQ(testing::device_calls().waits, 4);
}

struct Trained {
  at::Tensor values;
  TrainLog log;
};

Trained train(at::Device device, const std::string& stage, at::ScalarType type, Recompute recompute) {
  const TinyWorld world(type, testing::Head::own, 2, device);
  Adapter adapter = world.random_adapter(7, stage == "sft" ? 0.5 : 1);
  const auto style = stage == "dpo" ? AnswerStyle::plain : AnswerStyle::steered;
  const auto prompts = train_prompts(world.dataset(), prompts_of(world.dataset(), "train", 0, 0),
                                     world.dataset().subjects, world.chat(), 1, style);
  const auto alone = make_local_collectives();
  std::vector<ReplayRow> rows;
  for (int i = 0; i < 6; ++i) {
    const std::vector<int32_t> answer = i % 2 ? std::vector<int32_t>{30, 31 + i} : std::vector<int32_t>{};
    rows.push_back({world.prompts()[static_cast<size_t>(i)].tokens, answer, i % 3});
  }
  Replay replay(rows, 3, 1);
  replay.prepare(world.model(), nullptr, *alone, 4);
  TrainerSetup setup{world.model(),           prompts, BatchConfig{7, 3}, testing::short_warmup(), 5, *alone,
                     [](const StepReport&) {}};
  setup.recompute = recompute;
  setup.replay = &replay;
  Trainer trainer(setup, adapter);
  SftConfig sft = testing::muon_sft();
  if (stage == "adamw") sft.optimizer = OptimizerKind::adamw;
  sft.steps = 4;
  sft.learning_rate = 3e-3;
  CalibrateConfig calibrate;
  calibrate.steps = 4;
  calibrate.learning_rate = 1e-3;
  if (stage == "sft" || stage == "adamw") trainer.run_sft(sft);
  if (stage == "kto") trainer.run_calibrate(calibrate);
  if (stage == "dpo") trainer.run_dpo(calibrate);
  return {adapter.values().cpu(), trainer.log()};
}

void expect_near(const std::vector<double>& found, const std::vector<double>& expected, double relative) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    if (std::isnan(expected[i])) {
      EXPECT_TRUE(std::isnan(found[i]));
    } else {
      EXPECT_NEAR(found[i], expected[i], relative * (1e-3 + std::abs(expected[i]))) << i;
    }
  }
}

class PretendGpuTraining : public ::testing::TestWithParam<std::string> {};

TEST_P(PretendGpuTraining, IsTheCpus) {
  for (Recompute recompute : {Recompute::never, Recompute::always}) {
    const Trained cpu = train(at::kCPU, GetParam(), at::kFloat, recompute),
                  gpu = train(testing::pretend_gpu(), GetParam(), at::kFloat, recompute);
    expect_near(gpu.log.loss, cpu.log.loss, bound);
    expect_near(gpu.log.kl, cpu.log.kl, bound);
    expect_near(gpu.log.kto, cpu.log.kto, bound);
    expect_near(gpu.log.coverage, cpu.log.coverage, bound);
    expect_near(gpu.log.retain, cpu.log.retain, 10 * bound);
    expect_near(gpu.log.grad_norm, cpu.log.grad_norm, 10 * bound);
    EXPECT_GT(cpu.log.retain.back(), 1e-6);
  }
}

// In bfloat16 the CPU rounds a sum of products as often as the GPU, but at different points.
TEST_P(PretendGpuTraining, IsNearTheCpusInBfloat16) {
  const Trained cpu = train(at::kCPU, GetParam(), at::kBFloat16, Recompute::never),
                gpu = train(testing::pretend_gpu(), GetParam(), at::kBFloat16, Recompute::never);
  expect_near(gpu.log.loss, cpu.log.loss, 0.03);
  expect_near(gpu.log.grad_norm, cpu.log.grad_norm, 0.1);
}

INSTANTIATE_TEST_SUITE_P(Stages, PretendGpuTraining, ::testing::Values("sft", "adamw", "kto", "dpo"),
                         [](const auto& stage) { return stage.param; });

std::vector<MicroBatch> three_batches(const TinyWorld& world, const Llama& model) {
  const std::vector<int> members = {0, 5, 3, 4, 7, 9};
  std::vector<MicroBatch> batches;
  for (const std::vector<int>& part : {std::vector<int>{0}, {5, 3, 4, 7}, {9}}) {
    batches.push_back(pack_micro_batch(world.prompts(), members, part,
                                       {AnswerSet::accepted_rejected_mismatched, SftWeights::split},
                                       model.shape(), model.device()));
  }
  return batches;
}

/// Each micro-batch's log-probs, then its gradient.
std::vector<at::Tensor> pass(const Llama& model, const Adapter& adapter,
                             const std::vector<const MicroBatch*>& batches) {
  std::vector<PassItem> items;
  for (const MicroBatch* batch : batches) items.push_back({&batch->rows, &batch->edges});
  BlockPass blocks(model, adapter, std::move(items), Recompute::never);
  std::vector<at::Tensor> d_E, results = blocks.forward(BlockPass::Gradient::wanted);
  for (const at::Tensor& log_probs : results) d_E.push_back(log_probs.cos());
  for (at::Tensor& gradient : blocks.backward(d_E)) results.push_back(std::move(gradient));
  return results;
}

// The same rows alone and joined with others, on one device: a micro-batch's results do not depend on the
// ones that pass through the blocks with it.
TEST(PretendGpu, JoinedMicroBatchesGiveWhatEachGivesAlone) {
  const TinyWorld world;
  const std::vector<MicroBatch> batches = three_batches(world, world.model());
  Adapter together = world.random_adapter(3), alone = world.random_adapter(3);
  together.allow_parts(3);
  const auto all = pass(world.model(), together, {&batches[0], &batches[1], &batches[2]});
  for (size_t m = 0; m < 3; ++m) {
    const auto one = pass(world.model(), alone, {&batches[m]});
    EXPECT_LT(testing::relative_difference(all[m], one[0]), 1e-5) << m;
    EXPECT_LT(testing::relative_difference(all[3 + m], one[1]), 1e-5) << m;
  }
}

TEST(PretendGpu, LayersWithAWindowGiveWhatTheCpusGive) {
  std::vector<std::vector<at::Tensor>> found;
  for (const at::Device device : {at::Device(at::kCPU), testing::pretend_gpu()}) {
    for (const int64_t window : {40, 0}) {
      const TinyWorld world(at::kFloat, testing::Head::tied, 2, device);
      ModelShape shape = world.model().shape();
      if (window > 0) shape.set_window(window, every_other_layer(shape.layers));
      const Llama model(world.weights(), shape, at::kFloat, device);
      const std::vector<MicroBatch> batches = three_batches(world, model);
      Adapter adapter = world.random_adapter(3);
      adapter.allow_parts(3);
      auto& results = found.emplace_back();
      for (const at::Tensor& result : pass(model, adapter, {&batches[0], &batches[1], &batches[2]}))
        results.push_back(result.cpu());
    }
  }
  for (size_t i = 0; i < found[0].size(); ++i) {
    EXPECT_LT(testing::relative_difference(found[2][i], found[0][i]), 1e-5) << i;
    EXPECT_GT(testing::relative_difference(found[1][i], found[0][i]), 1e-4) << "no path is beyond the window";
  }
}

std::vector<PromptAnswers> measured(at::Device device) {
  const TinyWorld world(at::kFloat, testing::Head::tied, 2, device);
  const Adapter adapter = world.random_adapter(3);
  MeasureConfig config;
  config.max_answer_tokens = 8;
  config.exact_threshold = 1e-3;
  const MeasureTools tools{world.model(), &adapter, world.tokenizer(), world.chat().end_of_turn(), config, 1};
  std::vector<MeasurePrompt> prompts;
  for (int i = 0; i < 3; ++i) {
    const TrainPrompt& source = world.prompts()[static_cast<size_t>(i)];
    prompts.push_back({i, 0, source.tokens, source.steering_tokens, 50, "key " + std::to_string(i)});
  }
  return measure_unit(tools, prompts).prompts;
}

TEST(PretendGpu, MeasuresWhatTheCpuMeasures) {
  const auto cpu = measured(at::kCPU), gpu = measured(testing::pretend_gpu());
  for (size_t p = 0; p < cpu.size(); ++p) {
    EXPECT_NEAR(gpu[p].unexplored, cpu[p].unexplored, 1e-5);
    ASSERT_EQ(gpu[p].answers.size(), cpu[p].answers.size());
    for (size_t a = 0; a < cpu[p].answers.size(); ++a) {
      EXPECT_EQ(gpu[p].answers[a].tokens, cpu[p].answers[a].tokens);
      EXPECT_EQ(gpu[p].answers[a].count, cpu[p].answers[a].count);
      EXPECT_NEAR(gpu[p].answers[a].log_prob, cpu[p].answers[a].log_prob, 1e-4);
    }
  }
}

TEST(DeviceCalls, AStepWaitsAtMostFourTimesWhateverItsMicroBatches) {
  for (const testing::StepCalls& step : testing::count_steps()) {
    EXPECT_LE(step.waits, 4) << step.what << ", " << step.micro_batches << " micro-batches: " << step.waited;
    EXPECT_GT(step.launches, 100);
  }
}

TEST(DeviceCalls, ABlockTakesAtMostSixtyLaunchesADirectionForAllMicroBatches) {
  for (const testing::BlockCalls& block : testing::count_blocks()) {
    EXPECT_LE(block.forward, 60) << block.micro_batches;
    EXPECT_LE(block.backward, 60) << block.micro_batches;
    EXPECT_GT(block.forward, 20);
  }
}

TEST(DeviceCalls, ADepthOfMeasuringWaitsAtMostThreeTimes) {
  const testing::DepthCalls depth = testing::count_depth();
  EXPECT_LE(depth.waits, 3) << depth.waited;
  EXPECT_GT(depth.launches, 20);
}

}  // namespace
}  // namespace apportion
