// A llama model written down once more, in the plainest way: one sequence, full attention under a mask, every
// weight a leaf of autograd in float32. The reference of gradients; nothing of worker/ is used.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "shared/architecture/shape.h"

namespace apportion::testing {

/// Weights by GGUF's names, in Hugging Face's row order.
using PlainWeights = std::map<std::string, at::Tensor>;

/// Log-probs of the next token behind each of ids_T (int64): float32 [T, V], with graph.
at::Tensor plain_log_probs(const PlainWeights& weights, const ModelShape& shape, const at::Tensor& ids_T);

}  // namespace apportion::testing
