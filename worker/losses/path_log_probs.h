// Categories without a steering token: what the model gives a category is the sum over the answers that name
// it, each a path of the tree. The KL of these sums is steering_kl.h's, which paths there are
// train/batch.h's.
//
// Legend: I prompts of the micro-batch, K categories, E edges.
#pragma once

#include <ATen/core/Tensor.h>

#include "worker/losses/log_ratio.h"

namespace apportion {

/// log q_j = log sum over category j's paths of exp(log-prob of the path), in float32: [I, K]. `paths` are
/// whole answers, end of turn included, so that none begins another and the sum is a probability; for each
/// prompt the categories in order, for each category equally many.
at::Tensor path_log_probs(const at::Tensor& log_prob_E, const AnswerEdges& paths, int64_t prompts,
                          int64_t categories);

}  // namespace apportion
