// Steering Token Calibration (arXiv 2604.05756): pulls the first token of an answer to the target
// distribution. Without steering tokens q are the categories' of path_log_probs.h, and "tokens" are paths.
//
// Legend: I prompts of the micro-batch, K categories.
#pragma once

#include <ATen/core/Tensor.h>

namespace apportion {

/// L_KL = sum over prompts of sum_j p_j (log p_j - q_j), divided by `global_prompts`. q_IK are the steering
/// tokens' log-probs over the WHOLE vocabulary, p_IK the targets; terms with p_j = 0 are 0.
at::Tensor steering_kl(const at::Tensor& q_IK, const at::Tensor& p_IK, double global_prompts);

/// A term of value 0 that takes `error_K`, a mean over the global batch of exp(q) - p, from the errors that
/// the prompts' gradients are made of: its gradient is what a sum of p_j q_j would add were the targets
/// nearer to the shares by error_K. What all prompts have in common moves far more easily than what tells
/// them apart, swings, and takes the steps of the latter with it; times 1 - w, a factor of w is left of it.
at::Tensor less_of_error(const at::Tensor& q_IK, const at::Tensor& error_K, double global_prompts);

/// sum_j exp(q_j), the mass on the steering tokens: [I].
at::Tensor steering_coverage(const at::Tensor& q_IK);

}  // namespace apportion
