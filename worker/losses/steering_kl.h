// Steering Token Calibration (arXiv 2604.05756): pulls the first token of an answer towards the target
// distribution. Without steering tokens, q are the categories' log-probs from path_log_probs.h, and "tokens"
// are paths.
//
// Legend: I prompts of the micro-batch, K categories.
#pragma once

#include <ATen/core/Tensor.h>

namespace apportion {

/// L_KL = sum over prompts of sum_j p_j (log p_j - q_j), divided by `global_prompts`. q_IK are the steering
/// tokens' log-probs over the WHOLE vocabulary, p_IK the targets; terms with p_j = 0 are 0.
at::Tensor steering_kl(const at::Tensor& q_IK, const at::Tensor& p_IK, double global_prompts);

/// Zero-valued term that adds the KL gradient from shifting each target p by error_K, the mean over the
/// global batch of exp(q) - p. What all prompts have in common moves far more easily than what tells them
/// apart: it swings, and is then most of the gradient. With this term added 1 - w times, the common part
/// counts about w times as much. If q = p for all prompts nothing changes.
at::Tensor common_error_term(const at::Tensor& q_IK, const at::Tensor& error_K, double global_prompts);

/// sum_j exp(q_j), the probability mass on the steering tokens: [I].
at::Tensor steering_coverage(const at::Tensor& q_IK);

}  // namespace apportion
