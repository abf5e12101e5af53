// Rows of tokens that go through a model together: their ids, positions, and which keys each attends to. What
// is computed of them is llama.h's business.
//
// Legend: T rows (padded), D head_dim.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "shared/architecture/shape.h"
#include "worker/tree/tree_attention.h"

namespace apportion {

/// Tokens to compute, row by row. Rows beyond `count` fill the last block; their results mean nothing.
struct TokenRows {
  int64_t count = 0;
  at::Tensor ids_T, positions_T;  // int64, padded to plan.rows
  AttentionPlan plan;
  AttentionPlan windowed;          // of layers with a window; empty where no path is longer than it
  std::vector<int64_t> part_rows;  // of rows that were joined: how many each part has
  at::Tensor cos_T1D, sin_T1D;     // what rotates each row on a GPU (Llama::turn)

  bool has_windowed() const { return windowed.rows > 0; }
  const AttentionPlan& plan_of(bool in_window) const { return in_window && has_windowed() ? windowed : plan; }
};

/// The tensors, to be moved or counted.
std::vector<at::Tensor*> tensors_of(TokenRows& rows);

/// Rows for the nodes `queries` of `tree` in a model of this shape, attending in blocks of `block_rows`.
/// Throws UserError when a path is longer than the context.
TokenRows token_rows(const TokenTree& tree, const std::vector<int32_t>& queries, int64_t block_rows,
                     const ModelShape& shape, at::Device device);

/// The rows of `parts` (whole trees, without a cache, in host memory) on top of each other, for where a row's
/// results do not depend on the rows beside it (Llama::rows_are_independent). For a GPU every part is filled
/// up to `rows_each`, so that a product can be made of all parts at once (join_plans).
TokenRows join_rows(const std::vector<const TokenRows*>& parts, int64_t rows_each = 0);

}  // namespace apportion
