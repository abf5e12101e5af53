// Products of bfloat16 matrices on a CPU with matrix instructions (AMX, AVX-512 bf16), summed in float32 and
// rounded once, by the micro-kernel that LibTorch brings (oneDNN's brgemm). What at::mm does not do: sums of
// several products without a pass over memory for each, float32 results, the same bits at any number of
// threads and for any neighbours in a batch. The right-hand side is brought into the processor's order panel
// by panel, in its caches. Only where multiplies_in_panels().
//
// Legend: T rows, K inner, N columns.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace apportion {

/// Whether products in `type` on `device` may be made here.
bool multiplies_in_panels(at::Device device, at::ScalarType type);

/// left_TK right_KN, both bfloat16. left_TK's rows have no gaps within; so have right_KN's rows or, of a
/// transposed view (x.t()), its columns, which then start at even places. K is even.
struct PanelProduct {
  at::Tensor left_TK, right_KN;
};

/// out_TN = the sum of the products, rounded once. out_TN: bfloat16, the last stride 1.
void sum_products(const std::vector<PanelProduct>& products, const at::Tensor& out_TN);

/// out_TN = factor times the product, in float32; out_TN float32, one of its strides 1.
void float_product(const PanelProduct& product, float factor, const at::Tensor& out_TN);

/// out_TN += the product; out_TN float32, the last stride 1.
void add_product(const PanelProduct& product, const at::Tensor& out_TN);

/// x_TK [T, K] bfloat16 transposed, without gaps. T is even.
at::Tensor transposed_copy(const at::Tensor& x_TK);

}  // namespace apportion
