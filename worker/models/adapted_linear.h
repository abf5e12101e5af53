// A group of linear layers with its adapters, and its gradients.
//
// Legend: T rows, I inputs, O outputs, R rows of all A matrices of the group.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "worker/models/lora.h"

namespace apportion {

/// Whether the sizes of layers and their adapters of `rank` are even, as products in panels need.
bool fits_panels(const FusedLayers& parts, int64_t rank);

/// y = x W^T + (x A^T) B^T alpha / r for each adapted part. x_TI in compute type; `lora` may be null.
/// Saves no weight; saves x only where there is an adapter (and x A^T) or W is trained. Gradients of A, B and
/// of linear.leaf_OI, which receives W's, are float32; the product that W's is made by is in the compute
/// type. `part_rows`: where rows of several micro-batches come on top of each other
/// (T is their sum, each a multiple of row_multiple), part p's gradients of A and B go to the leaves of part
/// p. Empty: one part.
at::Tensor adapted_linear(const at::Tensor& x_TI, const LinearGroup& linear, const LoraGroup* lora,
                          const std::vector<int64_t>& part_rows);

}  // namespace apportion
