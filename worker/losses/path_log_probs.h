// Categories without a steering token: a category's probability is the sum over the answers that name it,
// each a path of the tree. steering_kl.h takes the KL of these sums; train/batch.h makes the paths.
//
// Legend: I prompts of the micro-batch, K categories, E edges.
#pragma once

#include <ATen/core/Tensor.h>

#include "worker/losses/log_ratio.h"

namespace apportion {

/// log q_j = log sum over category j's paths of exp(log-prob of the path), in float32: [I, K]. `paths` are
/// whole answers with their end of turn, so that none is the beginning of another and the sum is a
/// probability. They are ordered by prompt, then category, with the same number for each category.
at::Tensor path_log_probs(const at::Tensor& log_prob_E, const AnswerEdges& paths, int64_t prompts,
                          int64_t categories);

}  // namespace apportion
