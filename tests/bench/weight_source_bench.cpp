// Values per second from each source of weights on one thread: rows of a synthetic shape and of the installed
// model.
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include "shared/data/catalogue.h"
#include "shared/model_files/gguf.h"
#include "shared/model_files/gguf_shape.h"
#include "shared/model_files/shape_text.h"
#include "shared/model_files/tensor_reader.h"
#include "worker/models/weight_source.h"

namespace apportion {
namespace {

void count_rows(benchmark::State& state, const WeightSource& source, const std::string& name) {
  at::set_num_threads(1);
  const int64_t rows = source.sizes(name).front();
  int64_t values = 0;
  for (auto _ : state) values += source.rows(name, 0, rows / 2).numel();
  state.counters["values/s"] = benchmark::Counter(static_cast<double>(values), benchmark::Counter::kIsRate);
}

void bench_synthetic(benchmark::State& state) {
  count_rows(state, WeightSource(synthetic_tensors(parse_shape("shape:1b"))),
             "model.layers.0.mlp.up_proj.weight");
}
BENCHMARK(bench_synthetic)->Unit(benchmark::kMillisecond);

void bench_gguf(benchmark::State& state) {
  const Gguf gguf(find_model("smollm2"));
  count_rows(state, WeightSource(gguf_tensors(gguf, shape_of(gguf))), "model.layers.0.mlp.up_proj.weight");
}
BENCHMARK(bench_gguf)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace apportion
