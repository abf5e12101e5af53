// Answers as lists of edges, and how far the policy's log-probs of them are from the reference's. KTO and DPO
// are functions of that.
//
// Legend: A answers of the micro-batch, L most edges of an answer, E edges.
#pragma once

#include <ATen/core/Tensor.h>

namespace apportion {

/// `mask` is 0 where an answer has fewer than L edges.
struct AnswerEdges {
  at::Tensor edge_AL;     // int64 index into the edges
  at::Tensor mask_AL;     // float32
  at::Tensor weight_A;    // float32; adds to 1 over a prompt's accepted and over its rejected answers
  at::Tensor accepted_A;  // bool
};

/// value_E[index], in the shape of `index` (int64). Its gradient adds an edge's contributions in the order of
/// `index` on every device, which index_select's does not on a GPU.
at::Tensor pick(const at::Tensor& value_E, const at::Tensor& index);

/// The sum of `value_E` over each answer's edges: [A].
at::Tensor sum_edges(const at::Tensor& value_E, const AnswerEdges& answers);

/// r(x, y) = log pi(y|x) - log pi_ref(y|x), summed over the answer's edges: [A]. Empty if there are no
/// answers.
at::Tensor log_ratios(const at::Tensor& log_prob_E, const at::Tensor& reference_E,
                      const AnswerEdges& answers);

}  // namespace apportion
