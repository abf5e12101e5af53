// Products of matrices in the compute type with sums in float32, on a GPU: bfloat16 is multiplied directly,
// without float32 copies. LibTorch has no such product on a CPU; panels do that there (panel_products.h).
#pragma once

#include <ATen/core/Tensor.h>

namespace apportion {

/// a_NXY b_NYZ for each of N pairs, float32.
at::Tensor float_products(const at::Tensor& a_NXY, const at::Tensor& b_NYZ);

/// out_NXZ (float32, any strides between its matrices) = scale * a_NXY b_NYZ.
void float_products_into(at::Tensor out_NXZ, const at::Tensor& a_NXY, const at::Tensor& b_NYZ, double scale);

}  // namespace apportion
