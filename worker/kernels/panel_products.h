// Products of bfloat16 matrices on a CPU with matrix instructions (AMX, AVX-512 bf16), summed in float32 and
// rounded once, with the micro-kernel that comes with LibTorch (oneDNN's brgemm). Beyond at::mm they offer
// sums of several products without a pass over memory for each, float32 results, and the same bits at any
// number of threads and with any neighbours in a batch. The right-hand side is packed panel by panel in the
// processor's caches. Only if multiplies_in_panels().
//
// Legend: T rows, K inner, N columns.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace apportion {

/// Whether products in `type` on `device` can be made here.
bool multiplies_in_panels(at::Device device, at::ScalarType type);

/// left_TK right_KN, both bfloat16. Values within left_TK's rows are contiguous, and so are those within
/// right_KN's rows or, in a transposed view (x.t()), its columns, which then start at even places. K is even.
struct PanelProduct {
  at::Tensor left_TK, right_KN;
};

/// out_TN = the sum of the products, rounded once. out_TN is bfloat16, its last stride 1.
void sum_products(const std::vector<PanelProduct>& products, const at::Tensor& out_TN);

/// out_TN = factor times the product, in float32. out_TN is float32, one of its strides 1.
void float_product(const PanelProduct& product, float factor, const at::Tensor& out_TN);

/// out_TN += the product. out_TN is float32, its last stride 1.
void add_product(const PanelProduct& product, const at::Tensor& out_TN);

/// A contiguous transposed copy of x_TK [T, K], bfloat16. T is even.
at::Tensor transposed_copy(const at::Tensor& x_TK);

}  // namespace apportion
