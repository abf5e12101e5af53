#include "tests/bench/device_calls.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <functional>
#include <memory>

#include "tests/support/pretend_gpu/pretend_gpu.h"
#include "tests/support/worker/tiny_world.h"
#include "worker/sample/measure_units.h"
#include "worker/train/trainer.h"

namespace apportion::testing {
namespace {

constexpr int few_layers = 2, more_layers = 4, steps = 5, first_counted = 2;

double per_step(int64_t count) { return static_cast<double>(count) / (steps - first_counted); }

/// The most common kinds, without sizes, with their counts divided by `parts`.
std::string list_of(const std::map<std::string, int64_t>& counts, double parts) {
  std::map<std::string, int64_t> kinds;
  for (const auto& [name, count] : counts) kinds[name.substr(0, name.find(" of "))] += count;
  std::vector<std::pair<int64_t, std::string>> sorted;
  for (const auto& [name, count] : kinds) {
    if (count != 0) sorted.emplace_back(count, name);
  }
  std::sort(sorted.rbegin(), sorted.rend());
  std::string text;
  for (const auto& [count, name] : sorted) {
    text += (text.empty() ? "" : ", ") + name + " " +
            std::to_string(static_cast<double>(count) / parts).substr(0, 4);
  }
  return text;
}

struct Case {
  const char* what;
  OptimizerKind optimizer;
  std::function<void(Trainer&, OptimizerKind)> run;
};

std::vector<Case> cases() {
  auto sft = [](Trainer& trainer, OptimizerKind optimizer) {
    SftConfig config;
    config.optimizer = optimizer;
    config.steps = steps;
    config.learning_rate = 1e-3;
    trainer.run_sft(config);
  };
  CalibrateConfig calibrate;
  calibrate.steps = steps;
  calibrate.learning_rate = 1e-3;
  return {{"stage 1, AdamW", OptimizerKind::adamw, sft},
          {"stage 1, Muon", OptimizerKind::muon, sft},
          {"stage 2", OptimizerKind::adamw,
           [calibrate](Trainer& trainer, OptimizerKind) { trainer.run_calibrate(calibrate); }},
          {"DPO", OptimizerKind::adamw,
           [calibrate](Trainer& trainer, OptimizerKind) { trainer.run_dpo(calibrate); }}};
}

std::unique_ptr<Replay> replay_of(const TinyWorld& world, Collectives& alone) {
  std::vector<ReplayRow> rows;
  for (int i = 0; i < 8; ++i) {
    const std::vector<int32_t>& prompt = world.prompts()[static_cast<size_t>(i)].tokens;
    rows.push_back({prompt, {static_cast<int32_t>(30 + i), static_cast<int32_t>(40 + i)}, i});
  }
  auto replay = std::make_unique<Replay>(std::move(rows), 4, 1);
  replay->prepare(world.model(), nullptr, alone, steps);
  return replay;
}

/// The calls of the counted steps.
DeviceCalls calls_of(const Case& one, int micro_batches, int layers) {
  const TinyWorld world(at::kBFloat16, Head::tied, static_cast<uint32_t>(layers));
  Adapter adapter = world.random_adapter(3);
  const auto alone = make_local_collectives();
  const auto replay = replay_of(world, *alone);
  std::vector<TrainPrompt> prompts = world.prompts();
  if (one.what == std::string("DPO")) {
    prompts = train_prompts(world.dataset(), prompts_of(world.dataset(), "train", 0, 0),
                            world.dataset().subjects, world.chat(), 1, AnswerStyle::plain);
  }
  auto report = [](const StepReport& step) {
    if (step.step + 1 == first_counted) reset_device_calls();
  };
  TrainerSetup setup{world.model(), prompts, BatchConfig{8, micro_batches}, short_warmup(), 5,
                     *alone,        report};
  setup.replay = replay.get();
  Trainer trainer(setup, adapter);
  one.run(trainer, one.optimizer);
  return device_calls();
}

/// Launches of each direction through the blocks.
struct Directions {
  int64_t forward = 0, backward = 0;
};

Directions pass_launches(int micro_batches, int layers) {
  const TinyWorld world(at::kBFloat16, Head::tied, static_cast<uint32_t>(layers));
  Adapter adapter = world.random_adapter(3);
  adapter.allow_parts(static_cast<size_t>(micro_batches));
  std::vector<int> members(8);
  for (int i = 0; i < 8; ++i) members[static_cast<size_t>(i)] = i;
  std::vector<MicroBatch> batches;
  std::vector<PassItem> items;
  for (const std::vector<int>& part : split_batch(world.prompts(), members, micro_batches)) {
    batches.push_back(pack_micro_batch(world.prompts(), members, part,
                                       {AnswerSet::accepted, SftWeights::split}, world.model().shape(),
                                       test_device()));
  }
  for (const MicroBatch& batch : batches) items.push_back({&batch.rows, &batch.edges});
  BlockPass pass(world.model(), adapter, std::move(items), Recompute::never);
  reset_device_calls();
  std::vector<at::Tensor> log_prob_E = pass.forward(BlockPass::Gradient::wanted), d_E;
  Directions launches;
  launches.forward = device_calls().launches;
  for (const at::Tensor& log_probs : log_prob_E) d_E.push_back(at::ones_like(log_probs));
  reset_device_calls();
  pass.backward(d_E);
  launches.backward = device_calls().launches;
  return launches;
}

double per_block(int64_t few, int64_t more) {
  return static_cast<double>(more - few) / (more_layers - few_layers);
}

DeviceCalls measuring(int layers, int tokens) {
  const TinyWorld world(at::kFloat, Head::tied, static_cast<uint32_t>(layers));
  Adapter adapter = world.random_adapter(3);
  MeasureConfig config;
  config.max_answer_tokens = tokens;
  const MeasureTools tools{world.model(), &adapter, world.tokenizer(), world.chat().end_of_turn(), config, 1};
  std::vector<MeasurePrompt> prompts;
  for (int i = 0; i < 4; ++i) {
    const TrainPrompt& source = world.prompts()[static_cast<size_t>(i)];
    prompts.push_back({i, 0, source.tokens, source.steering_tokens, 20, "key " + std::to_string(i)});
  }
  reset_device_calls();
  measure_unit(tools, prompts);
  return device_calls();
}

}  // namespace

std::vector<StepCalls> count_steps() {
  std::vector<StepCalls> all;
  for (const Case& one : cases()) {
    for (int micro_batches : {1, 4}) {
      const DeviceCalls few = calls_of(one, micro_batches, few_layers);
      StepCalls& step = all.emplace_back();
      step.what = one.what;
      step.micro_batches = micro_batches;
      step.waits = per_step(few.waits);
      step.launches = per_step(few.launches);
      step.waited = list_of(few.waited, steps - first_counted);
      step.launched = list_of(few.launched, steps - first_counted);
    }
  }
  return all;
}

std::vector<BlockCalls> count_blocks() {
  std::vector<BlockCalls> all;
  for (int micro_batches : {1, 4}) {
    const Directions few = pass_launches(micro_batches, few_layers),
                     more = pass_launches(micro_batches, more_layers);
    all.push_back(
        {micro_batches, per_block(few.forward, more.forward), per_block(few.backward, more.backward)});
  }
  return all;
}

DepthCalls count_depth() {
  constexpr int short_answers = 6, long_answers = 16;
  const DeviceCalls few = measuring(few_layers, short_answers), more = measuring(few_layers, long_answers);
  constexpr double depths = long_answers - short_answers;
  std::map<std::string, int64_t> waited = more.waited;
  for (const auto& [name, count] : few.waited) waited[name] -= count;
  return {static_cast<double>(more.waits - few.waits) / depths,
          static_cast<double>(more.launches - few.launches) / depths, list_of(waited, depths)};
}

}  // namespace apportion::testing
