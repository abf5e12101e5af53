// The element types of GGUF tensors, how they unpack to float32, and how float32 is packed to two of them
// (ggml's block formats). Which tensors are packed is the model's business.
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

/// Packs `count` finite values (a multiple of the block's 32) to Q8_0 or Q4_1 as ggml does (ggml-quants.c,
/// quantize_row_*_ref); `out` has room for their blocks. A block depends on its 32 values alone. Throws
/// InternalError for another type.
void quantize(TensorType type, const float* values, uint64_t count, char* out);

}  // namespace apportion
