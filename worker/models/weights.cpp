#include "worker/models/weights.h"

#include <ATen/ATen.h>

#include "shared/base/error.h"

namespace apportion {
namespace {

std::string shape_text(const auto& shape) {
  std::string text = "[";
  for (auto size : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}

}  // namespace

at::Tensor load_tensor(const Gguf& gguf, const std::string& name, const std::vector<int64_t>& shape) {
  const GgufTensor& tensor = gguf.tensor(name);
  if (!std::equal(shape.begin(), shape.end(), tensor.shape.begin(), tensor.shape.end(),
                  [](int64_t a, uint64_t b) { return static_cast<uint64_t>(a) == b; })) {
    throw DataError(
        gguf.path(), 0,
        "tensor " + name + " is " + shape_text(tensor.shape) + "; the metadata ask for " + shape_text(shape));
  }
  at::Tensor values = at::empty(shape, at::kFloat);
  dequantize(tensor.type, tensor.bytes, tensor.elements(), values.data_ptr<float>());
  return values;
}

at::Tensor unpermute_rotary_rows(const at::Tensor& weight_OI, int64_t heads) {
  const int64_t rows = weight_OI.size(0), inputs = weight_OI.size(1);
  return weight_OI.view({heads, rows / heads / 2, 2, inputs}).transpose(1, 2).reshape({rows, inputs});
}

}  // namespace apportion
