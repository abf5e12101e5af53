#include "worker/models/packed_linear.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <string>
#include <vector>

#include "shared/base/error.h"

namespace apportion {
namespace {

constexpr int64_t half_bytes = 2, block = 32;

/// Unpacks row by row on the host, in the processor's caches.
template <typename Value>
void unpack_rows(const at::Tensor& packed_OB, TensorType type, at::Tensor& out_OI) {
  const int64_t row_bytes = packed_OB.size(1), inputs = out_OI.size(1);
  const auto* from = reinterpret_cast<const char*>(packed_OB.data_ptr<uint8_t>());
  auto* to = out_OI.data_ptr<Value>();
  at::parallel_for(0, out_OI.size(0), std::max<int64_t>(1, 65536 / inputs), [&](int64_t first, int64_t last) {
    std::vector<float> values(static_cast<size_t>(inputs));
    for (int64_t row = first; row < last; ++row) {
      dequantize(type, {from + row * row_bytes, static_cast<size_t>(row_bytes)}, values.size(),
                 values.data());
      std::copy(values.begin(), values.end(), to + row * inputs);
    }
  });
}

}  // namespace

TensorType packed_type(BaseType type) {
  ensure(type != BaseType::compute, "a base in the compute type is not packed");
  return type == BaseType::int8 ? TensorType::q8_0 : TensorType::q4_1;
}

int64_t packed_row_bytes(BaseType type, int64_t inputs) {
  const BlockLayout layout = block_layout(packed_type(type));
  if (inputs % block != 0) {
    throw UserError("the model has linear layers of " + std::to_string(inputs) +
                    " inputs, and base_type packs them by 32; use base_type = compute");
  }
  return inputs / block * static_cast<int64_t>(layout.bytes);
}

at::Tensor unpacked_by_operations(const at::Tensor& packed_OB, BaseType base) {
  const TensorType type = packed_type(base);
  const auto bytes = static_cast<int64_t>(block_layout(type).bytes);
  const at::Tensor blocks = packed_OB.view({packed_OB.size(0), -1, bytes});
  auto half_at = [&](int64_t place) {
    return blocks.narrow(2, place, half_bytes).contiguous().view(at::kHalf).to(at::kFloat);
  };
  if (type == TensorType::q8_0) {
    const at::Tensor numbers = blocks.narrow(2, half_bytes, block).contiguous().view(at::kChar);
    return (numbers.to(at::kFloat) * half_at(0)).flatten(1);
  }
  const at::Tensor pairs = blocks.narrow(2, 2 * half_bytes, block / 2);
  const at::Tensor numbers = at::cat({pairs.bitwise_and(15), pairs.bitwise_right_shift(4)}, 2);
  return (numbers.to(at::kFloat) * half_at(0) + half_at(half_bytes)).flatten(1);
}

at::Tensor unpacked(const at::Tensor& packed_OB, BaseType type, int64_t inputs, at::ScalarType compute_type) {
  if (!packed_OB.device().is_cpu()) return unpacked_by_operations(packed_OB, type).to(compute_type);
  at::Tensor out_OI = at::empty({packed_OB.size(0), inputs}, compute_type);
  if (compute_type == at::kFloat) {
    unpack_rows<float>(packed_OB, packed_type(type), out_OI);
  } else {
    unpack_rows<at::BFloat16>(packed_OB, packed_type(type), out_OI);
  }
  return out_OI;
}

}  // namespace apportion
