// A llama model written again in the plainest way: one sequence, full attention under a mask, every weight a
// float32 leaf of autograd. It is the reference for gradients and uses nothing from worker/.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "shared/architecture/shape.h"

namespace apportion::testing {

/// Weights by their GGUF names, in Hugging Face's row order.
using PlainWeights = std::map<std::string, at::Tensor>;

/// Log-probs of the token after each of ids_T (int64): float32 [T, V], with its graph.
at::Tensor plain_log_probs(const PlainWeights& weights, const ModelShape& shape, const at::Tensor& ids_T);

}  // namespace apportion::testing
