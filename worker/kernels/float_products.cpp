#include "worker/kernels/float_products.h"

#include <ATen/ATen.h>

namespace apportion {

at::Tensor float_products(const at::Tensor& a_NXY, const at::Tensor& b_NYZ) {
  if (a_NXY.scalar_type() == at::kFloat) return at::bmm(a_NXY, b_NYZ);
  return at::bmm(a_NXY, b_NYZ, at::kFloat);
}

void float_products_into(at::Tensor out_NXZ, const at::Tensor& a_NXY, const at::Tensor& b_NYZ, double scale) {
  // With beta 0 `out` is not read. It is also `self`, as that must have the result's shape.
  if (a_NXY.scalar_type() == at::kFloat) {
    at::baddbmm_out(out_NXZ, out_NXZ, a_NXY, b_NYZ, 0, scale);
  } else {
    at::baddbmm_out(out_NXZ, out_NXZ, a_NXY, b_NYZ, at::kFloat, 0, scale);
  }
}

}  // namespace apportion
