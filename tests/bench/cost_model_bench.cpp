// A micro-batch's forward and backward pass with synthetic shapes on one thread, compared with the cost
// model's prediction for the machine `cpu`. Counters: `fastest` (seconds of the thread's CPU time, the least
// of all passes), `predicted`, `ratio`, and what the seconds consist of: products and attention in TFLOP,
// kept bytes in GB.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <time.h>
#include <torch/csrc/autograd/autograd.h>

#include "shared/model/cost.h"
#include "shared/model/step_time.h"
#include "shared/model_files/shape_text.h"
#include "shared/model_files/tensor_reader.h"
#include "worker/device.h"
#include "worker/losses/log_probs.h"
#include "worker/models/llama.h"
#include "worker/models/weight_source.h"

namespace apportion {
namespace {

/// `prompts` paths that share a beginning of 32 tokens, each 96 tokens long with four answers of 8.
TokenTree tree_of(int32_t prompts) {
  TokenTree tree;
  std::vector<int32_t> system;
  for (int32_t i = 0; i < 32; ++i) system.push_back(i);
  const int32_t root = tree.add_path(no_node, system);
  for (int32_t p = 0; p < prompts; ++p) {
    std::vector<int32_t> prompt = {100 + p};
    while (prompt.size() < 64) prompt.push_back(static_cast<int32_t>(prompt.size()));
    const int32_t end = tree.add_path(root, prompt);
    for (int32_t a = 0; a < 4; ++a) tree.add_path(end, {200 + a, 1, 2, 3, 4, 5, 6, 7});
  }
  return tree;
}

/// CPU seconds of this thread, which other work on a busy machine hardly affects.
double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

void bench_micro_batch(benchmark::State& state, const std::string& text, int32_t prompts) {
  at::set_num_threads(1);
  const ModelShape shape = parse_shape(text);
  const at::ScalarType type = resolve_compute_type(ComputeType::automatic);
  const Llama model(WeightSource(synthetic_tensors(shape)), shape, type, at::kCPU);
  LoraConfig lora;
  lora.layers = 1;
  Adapter adapter(shape, lora, 1, at::kCPU);
  adapter.refresh(type);
  const TokenTree tree = tree_of(prompts);
  std::vector<int32_t> nodes(static_cast<size_t>(tree.size()));
  for (size_t i = 0; i < nodes.size(); ++i) nodes[i] = static_cast<int32_t>(i);
  const int64_t read = int64_t{prompts} * 32;
  const EdgeIndex edges = {at::arange(tree.size() - read, tree.size()), at::arange(read), at::arange(read)};
  const torch::autograd::variable_list leaves(adapter.leaves().begin(), adapter.leaves().end());

  double fastest = 1e9;
  int64_t pairs = 0;
  for (auto _ : state) {
    const double started = thread_seconds();
    const TokenRows rows = token_rows(tree, nodes, packed_block_rows, shape, at::kCPU);
    pairs = rows.plan.pairs;
    const at::Tensor loss = edge_log_probs(model, model.hidden(rows, &adapter), edges).sum();
    benchmark::DoNotOptimize(torch::autograd::grad({loss}, leaves));
    fastest = std::min(fastest, thread_seconds() - started);
  }
  StepLoad load{tree.size(), pairs / tree.size(), read, 1, 1};
  const Machine& machine = find_machine("cpu");
  RankLayout layout;
  layout.compute_bytes = static_cast<double>(c10::elementSize(type));
  const StepTime time = step_time(shape, lora, load, layout, {machine, default_coefficients(machine)});
  state.counters["tokens"] = static_cast<double>(tree.size());
  state.counters["fastest"] = fastest;
  state.counters["predicted"] = time.compute;
  const double adapters = 2.0 * static_cast<double>(adapter_parameters(shape, lora) * load.padded_tokens());
  const double head = forward_flops(shape, 0, {0, 0, read});
  state.counters["products"] =
      1e-12 * (2 * adapters + 2 * forward_flops(shape, 0, {load.padded_tokens(), 0, 0}) + head);
  state.counters["float32"] = 1e-12 * (adapters + head);
  state.counters["attention"] =
      3e-12 * forward_flops(shape, 0, {0, load.padded_tokens() * load.block_keys(), 0});
  state.counters["kept"] =
      1e-9 * static_cast<double>(shape.layers) * block_activation_bytes(shape, lora, load, layout);
  state.counters["logits"] = 4e-9 * static_cast<double>(read * shape.vocabulary);
  state.counters["blocks"] = static_cast<double>(shape.layers);
  state.counters["ratio"] = time.compute / fastest;
}

// The model was calibrated on the first four, not on the others.
BENCHMARK_CAPTURE(bench_micro_batch, wide,
                  "shape:layers=4,width=1536,heads=12,ffn=4096,vocabulary=4096,context=512", 4)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(bench_micro_batch, narrow,
                  "shape:layers=16,width=384,heads=6,kv_heads=2,ffn=1024,vocabulary=4096,context=512", 8)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(
    bench_micro_batch, head,
    "shape:layers=2,width=768,heads=12,kv_heads=4,ffn=2048,vocabulary=49152,context=512,tied=true", 8)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(bench_micro_batch, smollm2, "shape:smollm2-135m,context=512", 4)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(bench_micro_batch, smollm2_more_tokens, "shape:smollm2-135m,context=512", 16)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(bench_micro_batch, of_350m, "shape:350m,context=512", 8)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(bench_micro_batch, of_1b_cut, "shape:1b,layers=4,context=512", 4)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace apportion
