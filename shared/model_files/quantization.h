// The element types of GGUF tensors, how they unpack to float32, and how float32 is packed to some of them
// (ggml's block formats). The model decides which tensors are packed.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace apportion {

/// The values are ggml's own type numbers.
enum class TensorType : uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q2_k = 10,
  q3_k = 11,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  bf16 = 30
};

/// All of them, in the order of their numbers.
std::span<const TensorType> all_tensor_types();
/// The type of ggml's number, if it is one of ours.
std::optional<TensorType> tensor_type(uint32_t number);

/// Name as in ggml ("Q4_1"); for messages.
const char* type_name(TensorType type);

/// Elements of one block (1 for unquantized types) and its size in bytes.
struct BlockLayout {
  uint64_t elements;
  uint64_t bytes;
};
BlockLayout block_layout(TensorType type);
/// Where halves are in a block: the value of F16, or the scales (and minimums) of a quantized block. None for
/// F32 and BF16.
std::span<const uint64_t> half_offsets(TensorType type);

/// Unpacks `count` elements (a multiple of the block's) from `bytes` (exactly their size) to `out`.
void dequantize(TensorType type, std::string_view bytes, uint64_t count, float* out);

/// Packs `count` finite values (a multiple of the block's) to F32, F16, Q8_0 or Q4_1 as ggml does
/// (ggml-quants.c, quantize_row_*_ref); `out` has room for their blocks. A block depends only on its values.
/// Throws InternalError for another type.
void quantize(TensorType type, const float* values, uint64_t count, char* out);

}  // namespace apportion
