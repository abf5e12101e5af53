// How exactly LibTorch multiplies on a GPU: what results rest on is set here, whatever the environment or
// LibTorch's defaults say. docs/numerics.md has the bounds.
#pragma once

namespace apportion {

/// From here on float32 products are float32's own, not TF32's (a tenth of their digits), in cuBLAS and
/// cuDNN, and sums of products in bfloat16 and float16 are made in float32, also where cuBLAS cuts a sum into
/// parts.
void pin_precision();

}  // namespace apportion
