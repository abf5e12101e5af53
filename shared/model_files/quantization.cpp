// Unpacks and packs ggml's block formats: ggml/src/ggml-common.h has the layouts, ggml-quants.c
// (dequantize_row_*, quantize_row_*_ref) the formulas. All values are little-endian, as the machines that
// this program runs on.
#include "shared/model_files/quantization.h"

#include <algorithm>
#include <bit>
#include <cmath>
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

/// Single to half precision, ties to even, without branches but for NaN (Maratyszcza's FP16 library, as ggml
/// does): the addition of a number 2^15 times as large rounds to the bits that a half has.
uint16_t float_to_half(float value) {
  const auto word = std::bit_cast<uint32_t>(value);
  const uint32_t doubled = word + word, sign = word & 0x80000000U;
  const uint32_t exponent = std::max(doubled & 0xFF000000U, 0x71000000U);
  const float scaled = std::fabs(value) * 0x1.0p+112F * 0x1.0p-110F;
  const auto bits = std::bit_cast<uint32_t>(std::bit_cast<float>((exponent >> 1) + 0x07800000U) + scaled);
  const uint32_t rounded = ((bits >> 13) & 0x7C00U) + (bits & 0x0FFFU);
  return static_cast<uint16_t>((sign >> 16) | (doubled > 0xFF000000U ? 0x7E00U : rounded));
}

void store_half(float value, char* bytes) {
  const uint16_t half = float_to_half(value);
  std::memcpy(bytes, &half, sizeof(half));
}

void pack_q4_1(const float* values, uint64_t blocks, char* out) {
  for (uint64_t index = 0; index < blocks; ++index, values += quantized_block, out += 20) {
    const auto [low, high] = std::minmax_element(values, values + quantized_block);
    const float minimum = *low, scale = (*high - minimum) / 15, inverse = scale != 0 ? 1 / scale : 0;
    store_half(scale, out);
    store_half(minimum, out + 2);
    auto number = [&](float value) {
      return std::min(15, static_cast<int>(std::floor((value - minimum) * inverse + 0.5F)));
    };
    for (int i = 0; i < 16; ++i)
      out[4 + i] = static_cast<char>(number(values[i]) | (number(values[i + 16]) << 4));
  }
}

void pack_q8_0(const float* values, uint64_t blocks, char* out) {
  for (uint64_t index = 0; index < blocks; ++index, values += quantized_block, out += 34) {
    float largest = 0;
    for (uint64_t i = 0; i < quantized_block; ++i) largest = std::max(largest, std::fabs(values[i]));
    const float scale = largest / 127, inverse = scale != 0 ? 1 / scale : 0;
    store_half(scale, out);
    for (uint64_t i = 0; i < quantized_block; ++i)
      out[2 + i] = static_cast<char>(std::lround(values[i] * inverse));
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

void quantize(TensorType type, const float* values, uint64_t count, char* out) {
  ensure(count % quantized_block == 0, "a tensor is packed in whole blocks");
  ensure(type == TensorType::q8_0 || type == TensorType::q4_1, "values are packed to Q8_0 or Q4_1");
  const uint64_t blocks = count / quantized_block;
  type == TensorType::q8_0 ? pack_q8_0(values, blocks, out) : pack_q4_1(values, blocks, out);
}

}  // namespace apportion
