// Attention over a tree in few launches, for a GPU: keys and values are gathered, and their gradients added,
// together. What it computes is tree_attention.h's.
#pragma once

#include <ATen/core/Tensor.h>

#include "worker/tree/tree_attention.h"

namespace apportion {

/// As tree_attention() of q_THD and the keys and values in kv_SX: [S, 2 G D], a row's keys before its values.
/// The plan says who uses a slot (users). Differentiable.
at::Tensor device_attention(const at::Tensor& q_THD, const at::Tensor& kv_SX, int64_t kv_heads,
                            const AttentionPlan& plan, const ScoreRule& rule);

}  // namespace apportion
