// The element types of GGUF tensors and how they unpack to float32 (ggml's block formats).
#pragma once

#include <cstdint>
#include <string_view>

namespace apportion {

/// The values are ggml's own type numbers.
enum class TensorType : uint32_t { f32 = 0, f16 = 1, q4_1 = 3, q8_0 = 8, bf16 = 30 };

/// Name as in ggml ("Q4_1"); for messages.
const char* type_name(TensorType type);

/// Elements of one block (1 for unquantized types) and its size in bytes.
struct BlockLayout {
  uint64_t elements;
  uint64_t bytes;
};
BlockLayout block_layout(TensorType type);

/// Unpacks `count` elements (a multiple of the block's) from `bytes` (exactly their size) to `out`.
void dequantize(TensorType type, std::string_view bytes, uint64_t count, float* out);

}  // namespace apportion
