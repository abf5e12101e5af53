// Rows a second of a training step on SmolLM2 for the rows of tests/bench/rows.json, which peer_speed.py also
// gives to TRL. A row is one distinct (prompt, answer); weights and duplicates do not count. Arguments:
// objective (1: accepted answers, supervised; 2: accepted and rejected ones, KL and KTO) and micro_batches (a
// step's rows are one batch of trees, and prompts share their beginning within a micro-batch; 4 is the
// default; 0: every row is its own tree). The label is the compute type.
#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/model/steering.h"
#include "worker/device.h"
#include "worker/device_memory.h"
#include "worker/session.h"
#include "worker/train/trainer.h"

namespace apportion {
namespace {

Session& session() {
  static const bool kept = (keep_tensor_memory(), true);
  (void)kept;
  static RunConfig config;
  static Session loaded(config, compute_device(0), 1);
  return loaded;
}

/// The committed batch: each prompt with its answers.
std::vector<TrainPrompt> prompts() {
  const char* source = std::getenv("APPORTION_SOURCE");
  const std::string folder = source ? source : ".";
  const auto rows = nlohmann::json::parse(read_file(folder + "/tests/bench/rows.json"));
  std::vector<TrainPrompt> prompts;
  for (const auto& entry : rows.at("prompts")) {
    TrainPrompt prompt;
    const std::string user = entry.at("user");
    prompt.tokens = session().chat().encode_prompt(user);
    prompt.target = entry.at("target").get<std::vector<double>>();
    prompt.steering_tokens = steering_tokens(session().chat(), user, prompt.target.size(), Steering::digit);
    for (const auto& answer : entry.at("answers")) {
      const std::string text = answer.at("text");
      prompt.answers.push_back(
          {session().chat().encode_turn(user, text).answer, answer.at("weight"), answer.at("accepted")});
    }
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

/// Every answer as its own prompt, for the first `count` prompts only: a step of all would take minutes.
std::vector<TrainPrompt> one_row_each(const std::vector<TrainPrompt>& all, size_t count, bool rejected) {
  std::vector<TrainPrompt> rows;
  for (size_t i = 0; i < count; ++i) {
    for (const auto& answer : all[i].answers) {
      if (!answer.accepted && !rejected) continue;
      TrainPrompt row = all[i];
      row.answers = {answer};
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

int64_t rows_of(const std::vector<TrainPrompt>& prompts, bool rejected) {
  int64_t rows = 0;
  for (const TrainPrompt& prompt : prompts) {
    for (const auto& answer : prompt.answers) rows += answer.accepted || rejected;
  }
  return rows;
}

void rows(benchmark::State& state) {
  const bool kto = state.range(0) == 2, sharing = state.range(1) > 0;
  std::vector<TrainPrompt> list = prompts();
  if (!sharing) list = one_row_each(list, 2, kto);
  const BatchConfig batch{static_cast<int>(list.size()),
                          sharing ? static_cast<int>(state.range(1)) : static_cast<int>(list.size())};
  const at::ScalarType type = resolve_compute_type(ComputeType::automatic);
  state.SetLabel(type == at::kBFloat16 ? "bfloat16" : "float32");
  const Llama& model = session().model(type, {0});
  Adapter adapter(model.shape(), session().config().lora, 0, model.device());
  auto collectives = make_local_collectives();
  std::vector<double> seconds;
  Trainer trainer({model, list, batch, OptimizerConfig{}, 0, *collectives,
                   [&](const StepReport& step) { seconds.push_back(step.seconds); }},
                  adapter);
  constexpr int steps = 2;  // the first lacks kept memory and moments; the peer times its second, too
  const SftConfig sft = whole_sft(steps, 1e-3);
  CalibrateConfig calibrate;
  calibrate.learning_rate = 1e-4;
  calibrate.steps = steps;
  double all = 0;
  for (auto _ : state) {
    kto ? trainer.run_calibrate(calibrate) : trainer.run_sft(sft);
    state.SetIterationTime(seconds.back());
    all += seconds.back();
  }
  state.counters["rows"] = static_cast<double>(rows_of(list, kto));
  state.counters["rows/s"] =
      static_cast<double>(rows_of(list, kto) * static_cast<int64_t>(state.iterations())) / all;
}

BENCHMARK(rows)
    ->ArgNames({"objective", "micro_batches"})
    ->ArgsProduct({{1, 2}, {4, 2, 1, 0}})
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace apportion
