// Block formats against independently written formulas, and all 65,536 half-precision numbers.
#include "shared/model_files/quantization.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "shared/base/error.h"
#include "tests/support/tiny_gguf.h"

namespace apportion {
namespace {

std::vector<float> unpack(TensorType type, const std::string& bytes, uint64_t count) {
  std::vector<float> values(count, -1234.0F);
  dequantize(type, bytes, count, values.data());
  return values;
}

/// The value of an IEEE 754-2019 binary16, from its fields.
double half_value(uint16_t half) {
  int exponent = (half >> 10) & 31;
  int mantissa = half & 1023;
  double sign = (half & 0x8000) != 0 ? -1.0 : 1.0;
  if (exponent == 31) return mantissa != 0 ? std::nan("") : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

std::string as_bytes(const std::vector<uint16_t>& words) {
  return {reinterpret_cast<const char*>(words.data()), 2 * words.size()};
}

TEST(Quantization, EveryHalfUnpacksToItsValue) {
  std::vector<uint16_t> halves(65536);
  for (size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<uint16_t>(i);
  std::vector<float> values = unpack(TensorType::f16, as_bytes(halves), halves.size());
  for (uint16_t half : halves) {
    double expected = half_value(half);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(values[half])) << half;
    } else {
      EXPECT_EQ(values[half], expected) << half;
      EXPECT_EQ(std::signbit(values[half]), (half & 0x8000) != 0) << half;
    }
  }
}

/// Packs one block of 32 values and unpacks it again.
std::vector<float> through(TensorType type, const std::vector<float>& values) {
  std::string bytes(block_layout(type).bytes, '\0');
  quantize(type, values.data(), values.size(), bytes.data());
  return unpack(type, bytes, values.size());
}

TEST(Quantization, AScaleIsTheNearestHalf) {
  // Q8_0's scale is the largest magnitude / 127, so any float can be made a scale.
  for (float scale : {1.0F, 1.0F + 0.9F * 0x1p-11F, 1.0F + 1.1F * 0x1p-11F, 0.1F, 0x1.55p-16F, 0x1.2p-25F,
                      0x1.9p-24F, 60000.0F, 0.0F}) {
    const float unpacked = through(TensorType::q8_0, std::vector<float>(32, scale * 127))[0] / 127;
    double nearest = 1e9;
    for (uint16_t half = 0; half < 0x7C00; ++half) {
      if (std::abs(half_value(half) - scale) < std::abs(nearest - scale)) nearest = half_value(half);
    }
    EXPECT_NEAR(unpacked, nearest, nearest * 1e-6) << scale;
  }
}

TEST(Quantization, PackedValuesAreWithinHalfAStep) {
  for (auto [type, steps] : {std::pair(TensorType::q8_0, 254), std::pair(TensorType::q4_1, 15)}) {
    for (float offset : {0.0F, -0.7F, 3.0F}) {
      std::vector<float> values(32);
      for (size_t i = 0; i < values.size(); ++i) values[i] = offset + std::sin(static_cast<float>(7 * i));
      const auto [low, high] = std::minmax_element(values.begin(), values.end());
      const float range =
          type == TensorType::q8_0 ? 2 * std::max(std::abs(*low), std::abs(*high)) : *high - *low;
      const std::vector<float> packed = through(type, values);
      for (size_t i = 0; i < values.size(); ++i) {
        EXPECT_NEAR(packed[i], values[i],
                    0.5F * range / static_cast<float>(steps) + 0x1p-10F * std::abs(*high))
            << i;
      }
    }
  }
}

TEST(Quantization, WhatWasPackedIsPackedToTheSameBytes) {
  for (TensorType type : {TensorType::q8_0, TensorType::q4_1}) {
    std::vector<float> values(64);
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i * i % 37) - 11.0F;
    std::string first(2 * block_layout(type).bytes, '\0'), again = first;
    quantize(type, values.data(), values.size(), first.data());
    const std::vector<float> unpacked = unpack(type, first, values.size());
    quantize(type, unpacked.data(), unpacked.size(), again.data());
    EXPECT_EQ(unpack(type, again, values.size()), unpacked);
  }
}

TEST(Quantization, OnlySomeTypesArePackedInWholeBlocks) {
  const std::vector<float> values(32);
  std::string bytes(128, '\0');
  EXPECT_THROW(quantize(TensorType::q4_0, values.data(), 32, bytes.data()), InternalError);
  EXPECT_THROW(quantize(TensorType::q4_1, values.data(), 31, bytes.data()), InternalError);
  EXPECT_EQ(through(TensorType::q4_1, std::vector<float>(32, 0.5F)), std::vector<float>(32, 0.5F));
  EXPECT_EQ(through(TensorType::q8_0, values), values);
}

TEST(Quantization, Bf16IsTheUpperHalfOfAFloat) {
  std::vector<float> values = unpack(TensorType::bf16, as_bytes({0x3F80, 0xC049, 0x0000, 0x7F80, 0x0001}), 5);
  EXPECT_EQ(values[0], 1.0F);
  EXPECT_EQ(values[1], -3.140625F);
  EXPECT_EQ(values[2], 0.0F);
  EXPECT_TRUE(std::isinf(values[3]));
  EXPECT_EQ(values[4], std::ldexp(1.0F, -133));
}

TEST(Quantization, F32IsCopied) {
  std::vector<float> source = {1.5F, -0.0F, 3e38F};
  std::string bytes(reinterpret_cast<const char*>(source.data()), 12);
  EXPECT_EQ(unpack(TensorType::f32, bytes, 3), source);
}

TEST(Quantization, Q41HasLowHalvesOfBytesFirst) {
  std::string block = as_bytes({half_bits(0.5F), half_bits(-3.0F)});
  for (int i = 0; i < 16; ++i) block += static_cast<char>(i | ((15 - i) << 4));
  std::vector<float> values = unpack(TensorType::q4_1, block, 32);
  for (size_t i = 0; i < 16; ++i) {
    EXPECT_EQ(values[i], 0.5F * static_cast<float>(i) - 3.0F) << i;
    EXPECT_EQ(values[i + 16], 0.5F * static_cast<float>(15 - i) - 3.0F) << i;
  }
}

TEST(Quantization, Q80ScalesSignedBytes) {
  std::string block = as_bytes({half_bits(0.25F)});
  for (int i = 0; i < 32; ++i) block += static_cast<char>(i * 8 - 128);
  std::vector<float> values = unpack(TensorType::q8_0, block, 32);
  for (size_t i = 0; i < 32; ++i) EXPECT_EQ(values[i], 0.25F * (static_cast<float>(i) * 8 - 128)) << i;
}

TEST(Quantization, BlocksFollowEachOther) {
  for (TensorType type : all_tensor_types()) {
    const auto [elements, size] = block_layout(type);
    std::string both = random_weights(type, 2 * elements, 1.0F, 7, type_name(type));
    std::vector<float> values = unpack(type, both, 2 * elements);
    std::vector<float> second = unpack(type, both.substr(size), elements);
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(elements);
    EXPECT_EQ(std::vector<float>(middle, values.end()), second) << type_name(type);
    EXPECT_NE(std::vector<float>(values.begin(), middle), second) << type_name(type);
  }
}

TEST(Quantization, LayoutsAreGgmls) {
  EXPECT_EQ(block_layout(TensorType::q4_1).bytes, 20U);
  EXPECT_EQ(block_layout(TensorType::q8_0).bytes, 34U);
  EXPECT_EQ(block_layout(TensorType::q8_0).elements, 32U);
  EXPECT_EQ(block_layout(TensorType::bf16).bytes, 2U);
  EXPECT_STREQ(type_name(TensorType::q4_1), "Q4_1");
}

TEST(Quantization, RefusesBytesThatAreNotTheBlocks) {
  std::vector<float> out(64);
  EXPECT_THROW(dequantize(TensorType::q8_0, std::string(33, 'x'), 32, out.data()), InternalError);
  EXPECT_THROW(dequantize(TensorType::q8_0, std::string(34, 'x'), 31, out.data()), InternalError);
  EXPECT_THROW(dequantize(TensorType::f32, std::string(4, 'x'), 2, out.data()), InternalError);
}

}  // namespace
}  // namespace apportion
