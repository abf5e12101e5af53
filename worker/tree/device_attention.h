// Attention over a tree in few launches, for a GPU: keys and values are gathered together, and so are their
// gradients added. It computes the same as tree_attention.h.
#pragma once

#include <ATen/core/Tensor.h>

#include "worker/tree/tree_attention.h"

namespace apportion {

/// tree_attention() of q_THD and the keys and values in kv_SX: [S, 2 G D], a row's keys before its values.
/// The plan must have each slot's users. Differentiable.
at::Tensor device_attention(const at::Tensor& q_THD, const at::Tensor& kv_SX, int64_t kv_heads,
                            const AttentionPlan& plan, const ScoreRule& rule);

}  // namespace apportion
