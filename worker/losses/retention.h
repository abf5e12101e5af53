// Retention: the model stays like the base where no change is wanted. On replay rows the trained model's
// next-token distribution is held to the untouched base's over the whole vocabulary:
//   L_retain = sum over kept positions of w KL(base || trained),  KL = sum_v b_v (log b_v - log q_v) in the
//   direction that penalises what the base says and the trained model no longer does (as in knowledge
//   distillation, arXiv 1503.02531). The base needs no second model: its hidden rows are computed once before
//   training, and the frozen head turns them into log-probs (if all weights are trained, a copy of the head
//   does).
//
// Legend: N kept positions, R rows whose logits are taken, C width, V vocabulary.
#pragma once

#include <ATen/core/Tensor.h>

namespace apportion {

/// Kept positions of a micro-batch; none if `row_N` is undefined.
struct KeptRows {
  at::Tensor row_N;           // int64 index into the rows whose logits are taken
  at::Tensor base_hidden_NC;  // the base's rows after its final norm, float32
  at::Tensor weight_N;        // float32
  bool empty() const { return !row_N.defined(); }
};

/// KL(base || trained) of each kept row, float32 [N], and its gradient with respect to the logits: trained -
/// base probabilities, [N, V]. Both inputs are log softmaxes.
struct RetentionKl {
  at::Tensor kl_N, d_logits_NV;
};
RetentionKl retention_kl(const at::Tensor& log_probs_NV, const at::Tensor& base_log_probs_NV);

}  // namespace apportion
