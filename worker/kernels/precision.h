// How precisely LibTorch multiplies on a GPU. The settings that results rely on are made here, whatever the
// environment or LibTorch's defaults say. docs/numerics.md has the bounds.
#pragma once

namespace apportion {

/// From here on cuBLAS and cuDNN make float32 products in full float32, not TF32 (10 bits of mantissa), and
/// add bfloat16 and float16 products in float32, even where cuBLAS splits a sum into parts.
void pin_precision();

}  // namespace apportion
