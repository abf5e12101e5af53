// Semantic Alignment by KTO (arXiv 2402.01306, equations 7 and 8) on the text behind the steering token.
//
// Legend: A answers of the micro-batch, L most edges of an answer, E edges.
#pragma once

#include <ATen/core/Tensor.h>

#include "shared/config/run_config.h"

namespace apportion {

/// Answers as lists of edges; `mask` is 0 where an answer has fewer than L.
struct AnswerEdges {
  at::Tensor edge_AL;     // int64 index into the edges
  at::Tensor mask_AL;     // float32
  at::Tensor weight_A;    // float32; adds to 1 over a prompt's accepted, and over its rejected answers
  at::Tensor accepted_A;  // bool
};

/// r(x, y) = log pi(y|x) - log pi_ref(y|x), summed over the answer's edges: [A].
at::Tensor log_ratios(const at::Tensor& log_prob_E, const at::Tensor& reference_E,
                      const AnswerEdges& answers);

/// Sum over answers of weight / 2 * (accepted: w_d (1 - sigmoid(beta (r - z))); rejected: w_u (1 -
/// sigmoid(beta (z - r)))), divided by `global_prompts`. `z` is the clamped mean of r over mismatched pairs,
/// a number without gradient.
at::Tensor kto_loss(const at::Tensor& r_A, const AnswerEdges& answers, double z, const KtoConfig& config,
                    double global_prompts);

}  // namespace apportion
