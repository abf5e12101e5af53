// The bits of a bfloat16 value, for kernels that are compiled for an instruction set. Everything here is
// internal to the file that includes it: the linker must not substitute one file's code for another's.
#pragma once

#include <cstdint>

namespace apportion {

using Bfloat = uint16_t;

static inline float from_bfloat(Bfloat value) {
  return __builtin_bit_cast(float, static_cast<uint32_t>(value) << 16);
}

/// Rounds to nearest, ties to even; NaN stays NaN.
static inline Bfloat to_bfloat(float value) {
  const auto bits = __builtin_bit_cast(uint32_t, value);
  const uint32_t up = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  return static_cast<Bfloat>(value != value ? 0x7fc0U : up);
}

}  // namespace apportion
