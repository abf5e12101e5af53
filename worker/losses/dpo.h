// Direct Preference Optimization (arXiv 2305.18290, equation 7; the sigmoid loss).
//
// Legend: Q pairs of the micro-batch.
#pragma once

#include <ATen/core/Tensor.h>

namespace apportion {

/// - sum over pairs of weight * log sigmoid(beta (r_accepted - r_rejected)), divided by `global_prompts`. The
///   r are log_ratios of whole answers. The weights of a prompt's pairs add to 1; without pairs the loss is
///   0. All are [Q].
at::Tensor dpo_loss(const at::Tensor& accepted_r_Q, const at::Tensor& rejected_r_Q,
                    const at::Tensor& weight_Q, double beta, double global_prompts);

}  // namespace apportion
