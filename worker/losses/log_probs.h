// Log-probabilities at edges of a token tree (node -> next token), in float32 over the whole vocabulary, and
// only where a loss needs them. Such vectors are all that a loss needs from the model.
//
// Legend: T rows, C width, V vocabulary, R rows read, E edges.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "worker/models/llama.h"

namespace apportion {

/// Edges to read: edge e leaves the row rows_R[row_E[e]] with the token token_E[e]. All int64, on the device.
struct EdgeIndex {
  at::Tensor rows_R;
  at::Tensor row_E;
  at::Tensor token_E;
};

/// The edges' entries of log_probs_RV, the log softmax of their rows' logits: float32 [E].
at::Tensor pick_edges(const at::Tensor& log_probs_RV, const EdgeIndex& edges);

/// The gradient of the logits from that of the edges' log-probs (d_E): for edge e the one-hot of its token
/// minus the softmax of its row. float32 [R, V]. Overwrites log_probs_RV.
at::Tensor logits_gradient(at::Tensor& log_probs_RV, const EdgeIndex& edges, const at::Tensor& d_E);

/// Restores the logits from their log softmax and their first column, float32 [R, 1].
at::Tensor logits_again(const at::Tensor& log_probs_RV, const at::Tensor& first_R1);

/// log softmax(logits)[token] for each edge: float32 [E]. `hidden_TC` comes from Llama::hidden.
/// Differentiable.
at::Tensor edge_log_probs(const Llama& model, const at::Tensor& hidden_TC, const EdgeIndex& edges);

/// The logits of rows [R, C], float32 [R, V].
at::Tensor logits_of(const Llama& model, const at::Tensor& hidden_RC);

}  // namespace apportion
