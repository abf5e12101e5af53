// tree_attention()'s values and gradients in bfloat16 on CPUs with matrix instructions: each block of queries
// and key/value head is computed in the processor's caches, from the heads where they lie. Only if
// multiplies_in_panels() (kernels/panel_products.h), and for even block_rows and head_dim.
#pragma once

#include <ATen/core/Tensor.h>

#include "worker/tree/tree_attention.h"

namespace apportion {

struct AttentionForward {
  at::Tensor out_THD;
  at::Tensor weights_NRU;  // N: block and key/value head; R: its query heads and rows
};
/// q_THD, k_SGD and v_SGD are bfloat16 and contiguous.
AttentionForward panel_attention(const at::Tensor& q_THD, const at::Tensor& k_SGD, const at::Tensor& v_SGD,
                                 const AttentionPlan& plan, const ScoreRule& rule);

struct AttentionGradients {
  at::Tensor dq_THD, dk_SGD, dv_SGD;
};
AttentionGradients panel_attention_backward(const at::Tensor& d_out_THD, const at::Tensor& q_THD,
                                            const at::Tensor& k_SGD, const at::Tensor& v_SGD,
                                            const at::Tensor& weights_NRU, const AttentionPlan& plan,
                                            const ScoreRule& rule);

}  // namespace apportion
