// Functions for the rows of kernels that are compiled for an instruction set. Everything here is internal to
// the file that includes it, as in bfloat.h.
#pragma once

#include <cstdint>

namespace apportion {

/// e^x as 2^n times a polynomial of the rest (Cephes' expf).
static inline float exponential(float x) {
  constexpr float most = 88, least = -87, log2_e = 1.44269504F, to_integer = 12582912;  // 1.5 x 2^23
  x = x > most ? most : x;
  x = x < least ? least : x;
  const float n = (x * log2_e + to_integer) - to_integer;
  const float r = (x - n * 0.693359375F) + n * 2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1;
  const auto power = static_cast<uint32_t>(static_cast<int32_t>(n)) << 23;
  return __builtin_bit_cast(float, __builtin_bit_cast(uint32_t, p) + power);
}

/// tanh x, within a few roundoffs of 1.
static inline float hyperbolic_tangent(float x) { return 1 - 2 / (1 + exponential(2 * x)); }

/// Number of partial sums of a row; they are added in the same order on every machine.
static constexpr int64_t lanes = 16;

static inline float sum_of(const float* partial) {
  float sum = 0;
  for (int64_t l = 0; l < lanes; ++l) sum += partial[l];
  return sum;
}

/// The sum over i of f(i), in `lanes` partial sums.
template <typename F>
static inline float row_sum(int64_t width, F f) {
  float partial[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= width; i += lanes) {
    for (int64_t l = 0; l < lanes; ++l) partial[l] += f(i + l);
  }
  for (int64_t l = 0; i + l < width; ++l) partial[l] += f(i + l);
  return sum_of(partial);
}

}  // namespace apportion
