// Tensors of a model file as LibTorch tensors, in Hugging Face's row order.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "shared/data/gguf.h"

namespace apportion {

/// The tensor `name`, unpacked to float32. Throws DataError when its shape is not `shape`.
at::Tensor load_tensor(const Gguf& gguf, const std::string& name, const std::vector<int64_t>& shape);

/// Undoes GGUF's order of q and k rows for llama-family models: [heads, D/2, 2] -> [heads, 2, D/2].
at::Tensor unpermute_rotary_rows(const at::Tensor& weight_OI, int64_t heads);

}  // namespace apportion
