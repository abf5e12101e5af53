// Stage 1, supervised: next-token loss on accepted answers, prompts masked (arXiv 2604.05756, stage 1).
#pragma once

#include <ATen/core/Tensor.h>

namespace apportion {

/// - sum_e w_e log p_e / normalizer: a mean over examples, written as one loss with a weight for each edge.
///   train/batch.h sets the weights under `split` and `token_mean`; the normalizer is a sum over the global
///   batch.
at::Tensor sft_loss(const at::Tensor& log_prob_E, const at::Tensor& weight_E, double normalizer);

}  // namespace apportion
