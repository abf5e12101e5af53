// Unpacks and packs ggml's block formats: ggml/src/ggml-common.h has the layouts, ggml-quants.c
// (dequantize_row_*, quantize_row_*_ref) the formulas. All values are little-endian, like the machines that
// this program runs on.
#include "shared/model_files/quantization.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

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

uint16_t load_half(const void* bytes) {
  uint16_t half;
  std::memcpy(&half, bytes, sizeof(half));
  return half;
}

float half_at(const void* bytes) { return half_to_float(load_half(bytes)); }

// Each function unpacks one block: `block` is its bytes, `out` has room for its elements. Bytes are read as
// unsigned. Without __restrict a byte could be part of a float, and no loop would be vectorised.
using Bytes = const uint8_t* __restrict;
using Floats = float* __restrict;

float byte_as_signed(uint8_t byte) { return static_cast<float>(static_cast<int8_t>(byte)); }

/// block_q4_0: scale d; 16 bytes of two 4-bit numbers q, the low halves first: value = d (q - 8).
void unpack_q4_0(Bytes block, Floats out) {
  const float scale = half_at(block);
  for (int i = 0; i < 16; ++i) {
    out[i] = scale * static_cast<float>((block[2 + i] & 15) - 8);
    out[i + 16] = scale * static_cast<float>((block[2 + i] >> 4) - 8);
  }
}

/// block_q4_1: scale d, minimum m; numbers as in Q4_0: value = d q + m.
void unpack_q4_1(Bytes block, Floats out) {
  const float scale = half_at(block), minimum = half_at(block + 2);
  for (int i = 0; i < 16; ++i) {
    out[i] = scale * static_cast<float>(block[4 + i] & 15) + minimum;
    out[i + 16] = scale * static_cast<float>(block[4 + i] >> 4) + minimum;
  }
}

/// The 5-bit number `i` of 32: its fifth bit is bit i of `high`.
int five_bits(const uint8_t* low, uint32_t high, int i) {
  const int four = i < 16 ? low[i] & 15 : low[i - 16] >> 4;
  return four | static_cast<int>(high >> i & 1) << 4;
}

uint32_t load_word(const uint8_t* bytes) {
  uint32_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

/// block_q5_0: scale d; the fifth bits; then as Q4_0: value = d (q - 16).
void unpack_q5_0(Bytes block, Floats out) {
  const float scale = half_at(block);
  const uint32_t high = load_word(block + 2);
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(five_bits(block + 6, high, i) - 16);
}

/// block_q5_1: scale d, minimum m; the fifth bits; then as Q4_1: value = d q + m.
void unpack_q5_1(Bytes block, Floats out) {
  const float scale = half_at(block), minimum = half_at(block + 2);
  const uint32_t high = load_word(block + 4);
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(five_bits(block + 8, high, i)) + minimum;
}

/// block_q8_0: scale d; 32 signed bytes q: value = d q.
void unpack_q8_0(Bytes block, Floats out) {
  const float scale = half_at(block);
  for (int i = 0; i < 32; ++i) out[i] = scale * byte_as_signed(block[2 + i]);
}

// The K types have blocks of 256 in groups of 16 or 32 with a small scale each.

/// Numbers of a few bits, one per byte: `bytes` of the first number, and their shift within each byte.
struct Plane {
  const uint8_t* bytes;
  int shift;
  int operator()(int i, int mask) const { return bytes[i] >> shift & mask; }
};

/// The 2-bit numbers from `first` of 256 on, in 64 bytes: four planes of 32 in each half.
Plane two_bits(const uint8_t* bytes, int first) {
  return {bytes + first / 128 * 32 + first % 32, first % 128 / 32 * 2};
}

/// The 4-bit numbers from `first` of 256 on, in 128 bytes: `width` low halves, then their high ones.
Plane four_bits(const uint8_t* bytes, int first, int width) {
  return {bytes + first / (2 * width) * width + first % width, first % (2 * width) / width * 4};
}

/// block_q2_K: 16 bytes of 4-bit scales s (low) and minimums m of 16 elements each; 2-bit numbers q; scale d
/// of the scales, dm of the minimums: value = (d s) q - dm m.
void unpack_q2_k(Bytes block, Floats out) {
  const float scale = half_at(block + 80), scale_of_minimums = half_at(block + 82);
  for (int group = 0; group < 16; ++group, out += 16) {
    const float step = scale * static_cast<float>(block[group] & 15),
                minimum = scale_of_minimums * static_cast<float>(block[group] >> 4);
    const Plane numbers = two_bits(block + 16, 16 * group);
    for (int i = 0; i < 16; ++i) out[i] = step * static_cast<float>(numbers(i, 3)) - minimum;
  }
}

/// block_q3_K: 32 bytes with a bit of each number (0: it is 4 less); 2-bit numbers; 16 6-bit scales s, four
/// bits of each in 8 bytes and two in 4; scale d: value = (d (s - 32)) q.
void unpack_q3_k(Bytes block, Floats out) {
  const float scale = half_at(block + 108);
  const uint8_t* scales = block + 96;
  for (int group = 0; group < 16; ++group, out += 16) {
    const int low = scales[group % 8] >> (group / 8 * 4) & 15,
              high = scales[8 + group % 4] >> (group / 4 * 2) & 3;
    const float step = scale * static_cast<float>((low | high << 4) - 32);
    const Plane numbers = two_bits(block + 32, 16 * group), third{block + 16 * group % 32, group / 2};
    for (int i = 0; i < 16; ++i) out[i] = step * static_cast<float>(numbers(i, 3) - 4 * (1 - third(i, 1)));
  }
}

/// Scale and minimum of group `group` of eight, 6 bits each in 12 bytes (get_scale_min_k4).
struct ScaleMinimum {
  int scale, minimum;
};
ScaleMinimum scale_minimum(const uint8_t* bytes, int group) {
  if (group < 4) return {bytes[group] & 63, bytes[group + 4] & 63};
  const uint8_t low = bytes[group + 4];
  return {(low & 15) | (bytes[group - 4] >> 6 << 4), (low >> 4) | (bytes[group] >> 6 << 4)};
}

/// block_q4_K: scales d and dm; 8 scales s and minimums m of 32 elements each; 4-bit numbers q:
/// value = (d s) q - dm m.
void unpack_q4_k(Bytes block, Floats out) {
  const float scale = half_at(block), scale_of_minimums = half_at(block + 2);
  for (int group = 0; group < 8; ++group, out += 32) {
    const auto [s, m] = scale_minimum(block + 4, group);
    const float step = scale * static_cast<float>(s), minimum = scale_of_minimums * static_cast<float>(m);
    const Plane numbers = four_bits(block + 16, 32 * group, 32);
    for (int i = 0; i < 32; ++i) out[i] = step * static_cast<float>(numbers(i, 15)) - minimum;
  }
}

/// block_q5_K: as Q4_K, with 32 bytes of fifth bits, one plane per group, before the numbers.
void unpack_q5_k(Bytes block, Floats out) {
  const float scale = half_at(block), scale_of_minimums = half_at(block + 2);
  for (int group = 0; group < 8; ++group, out += 32) {
    const auto [s, m] = scale_minimum(block + 4, group);
    const float step = scale * static_cast<float>(s), minimum = scale_of_minimums * static_cast<float>(m);
    const Plane numbers = four_bits(block + 48, 32 * group, 32), fifth{block + 16, group};
    for (int i = 0; i < 32; ++i)
      out[i] = step * static_cast<float>(numbers(i, 15) | fifth(i, 1) << 4) - minimum;
  }
}

/// block_q6_K: 128 bytes of the lower four bits, 64 of the upper two; 16 signed scales s; scale d:
/// value = (d s) (q - 32).
void unpack_q6_k(Bytes block, Floats out) {
  const float scale = half_at(block + 208);
  for (int group = 0; group < 16; ++group, out += 16) {
    const float step = scale * byte_as_signed(block[192 + group]);
    const Plane lower = four_bits(block, 16 * group, 64), upper = two_bits(block + 128, 16 * group);
    for (int i = 0; i < 16; ++i) out[i] = step * static_cast<float>((lower(i, 15) | upper(i, 3) << 4) - 32);
  }
}

void unpack_f32(Bytes block, Floats out) { std::memcpy(out, block, sizeof(float)); }
void unpack_f16(Bytes block, Floats out) { *out = half_at(block); }
void unpack_bf16(Bytes block, Floats out) { *out = std::bit_cast<float>(uint32_t{load_half(block)} << 16); }

/// What there is to know about a type (ggml-common.h), and the function that unpacks its blocks.
struct Format {
  TensorType type;
  const char* name;
  BlockLayout layout;
  std::vector<uint64_t> halves;
  void (*unpack)(const uint8_t* blocks, uint64_t count, float* out);
};

/// A format whose blocks `unpack_block` unpacks.
template <uint64_t elements, uint64_t bytes, void (*unpack_block)(Bytes block, Floats out)>
Format format(TensorType type, const char* name, std::vector<uint64_t> halves) {
  auto unpack = [](const uint8_t* blocks, uint64_t count, float* out) {
    for (uint64_t i = 0; i < count; ++i) unpack_block(blocks + i * bytes, out + i * elements);
  };
  return {type, name, {elements, bytes}, std::move(halves), unpack};
}

const std::vector<Format>& formats() {
  static const std::vector<Format> all = {format<1, 4, unpack_f32>(TensorType::f32, "F32", {}),
                                          format<1, 2, unpack_f16>(TensorType::f16, "F16", {0}),
                                          format<32, 18, unpack_q4_0>(TensorType::q4_0, "Q4_0", {0}),
                                          format<32, 20, unpack_q4_1>(TensorType::q4_1, "Q4_1", {0, 2}),
                                          format<32, 22, unpack_q5_0>(TensorType::q5_0, "Q5_0", {0}),
                                          format<32, 24, unpack_q5_1>(TensorType::q5_1, "Q5_1", {0, 2}),
                                          format<32, 34, unpack_q8_0>(TensorType::q8_0, "Q8_0", {0}),
                                          format<256, 84, unpack_q2_k>(TensorType::q2_k, "Q2_K", {80, 82}),
                                          format<256, 110, unpack_q3_k>(TensorType::q3_k, "Q3_K", {108}),
                                          format<256, 144, unpack_q4_k>(TensorType::q4_k, "Q4_K", {0, 2}),
                                          format<256, 176, unpack_q5_k>(TensorType::q5_k, "Q5_K", {0, 2}),
                                          format<256, 210, unpack_q6_k>(TensorType::q6_k, "Q6_K", {208}),
                                          format<1, 2, unpack_bf16>(TensorType::bf16, "BF16", {})};
  return all;
}

const Format& format_of(TensorType type) {
  for (const Format& known : formats()) {
    if (known.type == type) return known;
  }
  throw InternalError("a tensor type outside of its enumeration");
}

/// Single to half precision, ties to even, without branches except for NaN (Maratyszcza's FP16 library, as
/// ggml does): adding a number 2^15 times as large rounds to the bits that a half has.
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

std::span<const TensorType> all_tensor_types() {
  static const std::vector<TensorType> all = [] {
    std::vector<TensorType> types;
    for (const Format& known : formats()) types.push_back(known.type);
    return types;
  }();
  return all;
}

std::optional<TensorType> tensor_type(uint32_t number) {
  for (TensorType type : all_tensor_types()) {
    if (static_cast<uint32_t>(type) == number) return type;
  }
  return {};
}

const char* type_name(TensorType type) { return format_of(type).name; }

BlockLayout block_layout(TensorType type) { return format_of(type).layout; }

std::span<const uint64_t> half_offsets(TensorType type) { return format_of(type).halves; }

void dequantize(TensorType type, std::string_view bytes, uint64_t count, float* out) {
  const Format& known = format_of(type);
  const auto [elements, size] = known.layout;
  const uint64_t blocks = count / elements;
  ensure(count % elements == 0, "a tensor is unpacked in whole blocks");
  ensure(blocks <= std::numeric_limits<uint64_t>::max() / size && bytes.size() == blocks * size,
         "a tensor's bytes are its blocks");
  const auto* block = reinterpret_cast<const uint8_t*>(bytes.data());
  known.unpack(block, blocks, out);
}

void quantize(TensorType type, const float* values, uint64_t count, char* out) {
  const auto [elements, size] = format_of(type).layout;
  ensure(count % elements == 0, "a tensor is packed in whole blocks");
  switch (type) {
    case TensorType::f32:
      std::memcpy(out, values, count * size);
      return;
    case TensorType::f16:
      for (uint64_t i = 0; i < count; ++i) store_half(values[i], out + i * size);
      return;
    case TensorType::q8_0:
      return pack_q8_0(values, count / elements, out);
    case TensorType::q4_1:
      return pack_q4_1(values, count / elements, out);
    default:
      throw InternalError(std::string("nothing is packed to ") + type_name(type));
  }
}

}  // namespace apportion
