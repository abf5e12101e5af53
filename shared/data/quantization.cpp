// Unpacks ggml's block formats: ggml/src/ggml-common.h has the layouts, ggml-quants.c (dequantize_row_*) the
// formulas. All values are little-endian, as the machines that this program runs on.
#include "shared/data/quantization.h"

#include <bit>
#include <cstring>
#include <limits>

#include "shared/base/error.h"

namespace apportion {
namespace {

static_assert(std::endian::native == std::endian::little,
              "tensors are read in place as little-endian values");

constexpr uint64_t quantized_block = 32;

/// IEEE 754 half to single precision without branches: a normal half is rescaled by an exponent's difference,
/// a subnormal one by the subtraction of a magic number (Maratyszcza's FP16 library, as ggml does).
float half_to_float(uint16_t half) {
  uint32_t word = uint32_t{half} << 16;
  uint32_t sign = word & 0x80000000U;
  uint32_t doubled = word + word;
  float normal = std::bit_cast<float>((doubled >> 4) + (uint32_t{0xE0} << 23)) * 0x1.0p-112F;
  float subnormal = std::bit_cast<float>((doubled >> 17) | (uint32_t{126} << 23)) - 0.5F;
  uint32_t magnitude = std::bit_cast<uint32_t>(doubled < (uint32_t{1} << 27) ? subnormal : normal);
  return std::bit_cast<float>(sign | magnitude);
}

uint16_t load_half(const char* bytes) {
  uint16_t half;
  std::memcpy(&half, bytes, sizeof(half));
  return half;
}

/// A block is the scale d and the minimum m (halves), then 16 bytes of two 4-bit numbers q: value = d q + m.
/// The low halves of the bytes are elements 0..15, the high ones 16..31.
void unpack_q4_1(const char* block, uint64_t blocks, float* out) {
  for (uint64_t index = 0; index < blocks; ++index, block += 20, out += quantized_block) {
    float scale = half_to_float(load_half(block));
    float minimum = half_to_float(load_half(block + 2));
    uint8_t packed[quantized_block / 2];
    std::memcpy(packed, block + 4, sizeof(packed));
    for (int i = 0; i < 16; ++i) {
      out[i] = static_cast<float>(packed[i] & 15) * scale + minimum;
      out[i + 16] = static_cast<float>(packed[i] >> 4) * scale + minimum;
    }
  }
}

/// A block is the scale d (half), then 32 signed bytes q: value = d q.
void unpack_q8_0(const char* block, uint64_t blocks, float* out) {
  for (uint64_t index = 0; index < blocks; ++index, block += 34, out += quantized_block) {
    float scale = half_to_float(load_half(block));
    int8_t packed[quantized_block];
    std::memcpy(packed, block + 2, sizeof(packed));
    for (uint64_t i = 0; i < quantized_block; ++i) out[i] = static_cast<float>(packed[i]) * scale;
  }
}

}  // namespace

const char* type_name(TensorType type) {
  switch (type) {
    case TensorType::f32:
      return "F32";
    case TensorType::f16:
      return "F16";
    case TensorType::q4_1:
      return "Q4_1";
    case TensorType::q8_0:
      return "Q8_0";
    case TensorType::bf16:
      return "BF16";
  }
  throw InternalError("a tensor type outside of its enumeration");
}

BlockLayout block_layout(TensorType type) {
  switch (type) {
    case TensorType::f32:
      return {1, 4};
    case TensorType::f16:
    case TensorType::bf16:
      return {1, 2};
    case TensorType::q4_1:
      return {quantized_block, 20};
    case TensorType::q8_0:
      return {quantized_block, 34};
  }
  throw InternalError("a tensor type outside of its enumeration");
}

void dequantize(TensorType type, std::string_view bytes, uint64_t count, float* out) {
  BlockLayout layout = block_layout(type);
  uint64_t blocks = count / layout.elements;
  ensure(count % layout.elements == 0, "a tensor is unpacked in whole blocks");
  ensure(
      blocks <= std::numeric_limits<uint64_t>::max() / layout.bytes && bytes.size() == blocks * layout.bytes,
      "a tensor's bytes are its blocks");
  if (count == 0) return;
  switch (type) {
    case TensorType::f32:
      std::memcpy(out, bytes.data(), bytes.size());
      return;
    case TensorType::f16:
      for (uint64_t i = 0; i < count; ++i) out[i] = half_to_float(load_half(bytes.data() + 2 * i));
      return;
    case TensorType::bf16:
      for (uint64_t i = 0; i < count; ++i) {
        out[i] = std::bit_cast<float>(uint32_t{load_half(bytes.data() + 2 * i)} << 16);
      }
      return;
    case TensorType::q4_1:
      return unpack_q4_1(bytes.data(), blocks, out);
    case TensorType::q8_0:
      return unpack_q8_0(bytes.data(), blocks, out);
  }
}

}  // namespace apportion
