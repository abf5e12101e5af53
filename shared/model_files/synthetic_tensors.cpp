// Weights without a file, for `model = shape:...`.
#include <cmath>

#include "shared/base/counter_rng.h"
#include "shared/model_files/gguf_names.h"
#include "shared/model_files/tensor_reader.h"

namespace apportion {
namespace {

class SyntheticTensors : public TensorReader {
 public:
  explicit SyntheticTensors(const ModelShape& shape) : TensorReader(shape) {}

  void read_rows(const std::string& name, int64_t first, int64_t last, float* out) const override {
    const std::vector<int64_t>& wanted = checked_sizes(name, first, last);
    if (wanted.size() == 1) {
      std::fill_n(out, last - first, 1.0F);
      return;
    }
    const int64_t columns = wanted[1];
    // Uniform in (-b, b) has the standard deviation b / sqrt(3).
    const auto bound = static_cast<float>(std::sqrt(3.0 / static_cast<double>(columns)));
    // Keyed by GGUF's names, under which the weights of shapes were first drawn.
    const CounterRng rng(0, "synthetic weights\n" + gguf_name(name, "llama"));
    for (int64_t row = first; row < last; ++row) {
      rng.fill_row(static_cast<uint32_t>(row), {out + (row - first) * columns, static_cast<size_t>(columns)},
                   bound);
    }
  }
};

}  // namespace

std::unique_ptr<TensorReader> synthetic_tensors(const ModelShape& shape) {
  return std::make_unique<SyntheticTensors>(shape);
}

}  // namespace apportion
