// Speed of a training step on SmolLM2: distinct tokens a second, share of the matrix-multiply peak measured
// in the same process, and how many tokens the tree saves against padded rows. Arguments: micro-batches of
// the 16 prompts, stage (1: accepted answers; 2: also rejected and mismatched ones). Also the speed of a
// model of each architecture in SmolLM2's sizes with random weights, compared FLOP for FLOP with Llama's.
#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include <algorithm>
#include <memory>
#include <numeric>

#include "shared/data/catalogue.h"
#include "shared/model/cost.h"
#include "shared/model_files/tensor_reader.h"
#include "worker/device.h"
#include "worker/device_memory.h"
#include "worker/parallel/lanes.h"
#include "worker/session.h"
#include "worker/train/trainer.h"

namespace apportion {
namespace {

Session& session() {
  // What a process does once, before the first timed step.
  static const bool prepared = (keep_tensor_memory(), products_depend_on_threads(), true);
  (void)prepared;
  static RunConfig config;
  static Session loaded(config, compute_device(0), 1);
  return loaded;
}

const std::vector<TrainPrompt>& prompts() {
  static const std::vector<TrainPrompt> list = [] {
    const Dataset& dataset = session().dataset();
    return train_prompts(dataset, prompts_of(dataset, "train", 4, 0), subjects_of(dataset, "train", 0),
                         session().chat(), 0);
  }();
  return list;
}

/// Tokens of the batch: as rows padded to the longest, one row for each answer; packed by prompt; and as
/// trees.
struct Sizes {
  double padded = 0, packed = 0, tree = 0, rows = 0;
};

Sizes sizes_of(const std::vector<int>& batch, AnswerSet answers) {
  Sizes sizes;
  const ModelShape& shape = session().shape();
  size_t longest = 0;
  for (int member : batch) {
    const TrainPrompt& prompt = prompts()[static_cast<size_t>(member)];
    const MicroBatch one = pack_micro_batch(prompts(), {member, member}, {member},
                                            {answers, SftWeights::split}, shape, at::kCPU);
    sizes.packed += static_cast<double>(one.tree_tokens);
    for (const auto& answer : prompt.answers) {
      if (!answer.accepted && answers == AnswerSet::accepted) continue;
      longest = std::max(longest, prompt.tokens.size() + answer.tokens.size());
      ++sizes.rows;
    }
  }
  sizes.padded = sizes.rows * static_cast<double>(longest);
  sizes.tree = static_cast<double>(
      pack_micro_batch(prompts(), batch, batch, {answers, SftWeights::split}, shape, at::kCPU).tree_tokens);
  return sizes;
}

void train_step(benchmark::State& state) {
  const BatchConfig batch{16, static_cast<int>(state.range(0))};
  const bool stage_two = state.range(1) == 2;
  const at::ScalarType type = resolve_compute_type(ComputeType::automatic);
  const Llama& model = session().model(type, {0});
  Adapter adapter(model.shape(), session().config().lora, 0, model.device());
  auto collectives = make_local_collectives();
  double seconds = 0, tokens = 0, flops = 0;
  Trainer trainer({model, prompts(), batch, OptimizerConfig{}, 0, *collectives,
                   [&](const StepReport& step) {
                     seconds += step.seconds;
                     tokens += step.tokens;
                     flops += step.flops;
                     state.SetIterationTime(step.seconds);
                   }},
                  adapter);
  const SftConfig sft = whole_sft(1, 1e-3);
  CalibrateConfig calibrate;
  calibrate.learning_rate = 1e-4;
  calibrate.steps = 1;
  for (auto _ : state) stage_two ? trainer.run_calibrate(calibrate) : trainer.run_sft(sft);
  const BatchSchedule schedule(subjects_in(prompts()), batch.batch_prompts, 0);
  const AnswerSet answers = stage_two ? AnswerSet::accepted_rejected_mismatched : AnswerSet::accepted;
  const Sizes sizes = sizes_of(schedule.batch(schedule.batch_of_step(0)), answers);
  state.counters["tokens/s"] = tokens / seconds;
  state.counters["peak_share"] = flops / seconds / session().peak(type);
  state.counters["peak_GFLOP/s"] = session().peak(type) / 1e9;
  state.counters["tokens_padded_rows"] = sizes.padded;
  state.counters["tokens_packed_per_prompt"] = sizes.packed;
  state.counters["tokens_tree"] = sizes.tree;
  state.counters["examples"] = sizes.rows;
}

BENCHMARK(train_step)
    ->ArgNames({"micro_batches", "stage"})
    ->ArgsProduct({{4, 1}, {1, 2}})
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

/// SmolLM2's sizes, with what the architecture adds to Llama's.
ModelShape shape_of(const std::string& architecture, at::ScalarType type) {
  ModelShape shape = session().model(type, {0}).shape();
  shape.architecture = architecture;
  shape.set_traits();
  if (architecture == "gemma2") {
    shape.attention_cap = 50;
    shape.logits_cap = 30;
  }
  return shape;
}

/// A model with random weights, and what trains an adapter for it with stage 1, a step at a time.
class RandomModel {
 public:
  RandomModel(const ModelShape& shape, at::ScalarType type)
      : weights_(synthetic_tensors(shape)),
        model_(weights_, shape, type, compute_device(0)),
        adapter_(shape, session().config().lora, 0, model_.device()),
        collectives_(make_local_collectives()),
        trainer_({model_, prompts(), BatchConfig{16, 4}, OptimizerConfig{}, 0, *collectives_,
                  [this](const StepReport& step) { last_ = step; }},
                 adapter_) {}

  StepReport step() {
    trainer_.run_sft(whole_sft(1, 1e-3));
    return last_;
  }

 private:
  WeightSource weights_;
  Llama model_;
  Adapter adapter_;
  std::unique_ptr<Collectives> collectives_;
  StepReport last_;
  Trainer trainer_;
};

/// The two models take turns, so that other work on the machine affects both.
void train_step_of(benchmark::State& state, const std::string& architecture) {
  const at::ScalarType type = resolve_compute_type(ComputeType::automatic);
  RandomModel model(shape_of(architecture, type), type), llama(shape_of("llama", type), type);
  double seconds = 0, flops = 0, tokens = 0, llama_seconds = 0, llama_flops = 0;
  model.step(), llama.step();
  for (auto _ : state) {
    const StepReport step = model.step(), beside = llama.step();
    seconds += step.seconds, flops += step.flops, tokens += step.tokens;
    llama_seconds += beside.seconds, llama_flops += beside.flops;
    state.SetIterationTime(step.seconds);
  }
  state.counters["tokens/s"] = tokens / seconds;
  state.counters["GFLOP/s"] = flops / seconds / 1e9;
  state.counters["GFLOP/s_of_llama"] = llama_flops / llama_seconds / 1e9;
  state.counters["ratio"] = flops / seconds / (llama_flops / llama_seconds);
}

/// Registers a benchmark for each architecture.
const bool registered = [] {
  for (const std::string& architecture : architecture_names()) {
    benchmark::RegisterBenchmark(("architecture:" + architecture).c_str(), train_step_of, architecture)
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond);
  }
  return true;
}();

}  // namespace
}  // namespace apportion
