// The cost of a checkpoint of SmolLM2's adapter (rank 32 on all linear layers, 117 MB with its moments): how
// long the step that saves it waits, and how long until it is on disk. On one rank, in the temporary folder.
#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include "tests/support/sample_results.h"
#include "worker/train/checkpoint.h"

namespace apportion {
namespace {

constexpr int64_t adapter_values = 9'768'960;
constexpr int endless = 1 << 30;

enum class Until { next_step, on_disk };

void save(benchmark::State& run, Until until) {
  TemporaryDirectory directory;
  at::Tensor values = at::ones({adapter_values});
  Optimizer optimizer(OptimizerConfig{}, values);
  TrainLog log;
  auto collectives = make_local_collectives();
  TrainCheckpoint checkpoint({directory.path(), "task", 2}, *collectives, [](auto, const auto&) {});
  const auto rows = static_cast<uint64_t>(adapter_values);
  const std::vector<StatePart> parts = {{"adapter", rows, 0, rows, 0, 0, rows}};
  int done = 0;
  for (auto _ : run) {
    checkpoint.after_step({values, optimizer, log, parts}, done += 2, endless);
    if (until == Until::on_disk) checkpoint.finish();
    run.PauseTiming();
    checkpoint.finish();
    checkpoint.after_step({values, optimizer, log, parts}, done + 1, endless);  // completes it
    checkpoint.finish();
    run.ResumeTiming();
  }
  run.SetBytesProcessed(run.iterations() * 3 * adapter_values * static_cast<int64_t>(sizeof(float)));
}

void BM_StepThatSaves(benchmark::State& run) { save(run, Until::next_step); }
void BM_UntilOnDisk(benchmark::State& run) { save(run, Until::on_disk); }

BENCHMARK(BM_StepThatSaves)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(BM_UntilOnDisk)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace apportion
