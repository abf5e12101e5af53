// A group of linear layers with its adapters and gradients.
//
// Legend: T rows, I inputs, O outputs, R rows of all A matrices of the group.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "worker/models/lora.h"

namespace apportion {

/// Whether the sizes of the layers and of their adapters of `rank` are even, as products in panels need.
bool fits_panels(const FusedLayers& parts, int64_t rank);

/// y = x W^T + (x A^T) B^T alpha / r for each adapted part. x_TI is in the compute type; `lora` may be null.
/// Saves no weight, and saves x only if there is an adapter (then x A^T, too) or W is trained. Gradients of
/// A, B and W are float32; linear.leaf_OI receives W's, from a product in the compute type. `part_rows`: if
/// rows of several micro-batches are stacked (T is their sum, each a multiple of row_multiple), part p's
/// gradients of A and B go to the leaves of part p. Empty: one part.
at::Tensor adapted_linear(const at::Tensor& x_TI, const LinearGroup& linear, const LoraGroup* lora,
                          const std::vector<int64_t>& part_rows);

}  // namespace apportion
