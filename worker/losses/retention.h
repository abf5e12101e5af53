// Retention: what is not asked for stays the base's. On replay rows the trained model's next-token
// distribution is held to the untouched base's over the whole vocabulary:
//   L_retain = sum over kept positions of w KL(base || trained),  KL = sum_v b_v (log b_v - log q_v)
// in the direction that charges for what the base says and the trained model no longer does (as knowledge
// distillation has it, arXiv 1503.02531). The base costs no second model: its hidden rows are computed once
// before training, and the frozen head makes log-probs of them (where all weights are trained, a copy of it).
//
// Legend: N kept positions, R rows whose logits are taken, C width, V vocabulary.
#pragma once

#include <ATen/core/Tensor.h>

namespace apportion {

/// Kept positions of a micro-batch; none where `row_N` is undefined.
struct KeptRows {
  at::Tensor row_N;           // int64 index into the rows whose logits are taken
  at::Tensor base_hidden_NC;  // the base's, after its final norm, float32
  at::Tensor weight_N;        // float32
  bool empty() const { return !row_N.defined(); }
};

/// KL(base || trained) of each kept row, float32 [N], and what its gradient of the logits is: trained - base
/// probabilities, [N, V]. Both inputs are log softmaxes.
struct RetentionKl {
  at::Tensor kl_N, d_logits_NV;
};
RetentionKl retention_kl(const at::Tensor& log_probs_NV, const at::Tensor& base_log_probs_NV);

}  // namespace apportion
