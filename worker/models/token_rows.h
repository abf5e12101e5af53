// Rows of tokens that go through a model together: their ids, positions, and which keys each attends to.
// llama.h computes with them.
//
// Legend: T rows (padded), D head_dim.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "shared/architecture/shape.h"
#include "worker/tree/tree_attention.h"

namespace apportion {

/// Tokens to compute, row by row. Rows beyond `count` fill up the last block; their results mean nothing.
struct TokenRows {
  int64_t count = 0;
  at::Tensor ids_T, positions_T;  // int64, padded to plan.rows
  AttentionPlan plan;
  AttentionPlan windowed;          // for layers with a window; empty if no path exceeds it
  std::vector<int64_t> part_rows;  // for joined rows: how many each part has
  at::Tensor cos_T1D, sin_T1D;     // rotation of each row on a GPU (Llama::turn)

  bool has_windowed() const { return windowed.rows > 0; }
  const AttentionPlan& plan_of(bool in_window) const { return in_window && has_windowed() ? windowed : plan; }
};

/// The tensors of `rows`, for moving or counting.
std::vector<at::Tensor*> tensors_of(TokenRows& rows);

/// Rows for the nodes `queries` of `tree` in a model of this shape, attending in blocks of `block_rows`.
/// Throws UserError when a path is longer than the context.
TokenRows token_rows(const TokenTree& tree, const std::vector<int32_t>& queries, int64_t block_rows,
                     const ModelShape& shape, at::Device device);

/// Stacks the rows of `parts` (whole trees, without a cache, in host memory), for models whose rows do not
/// depend on the other rows (Llama::rows_are_independent). For a GPU every part is filled up to `rows_each`,
/// so that one product can cover all parts (join_plans).
TokenRows join_rows(const std::vector<const TokenRows*>& parts, int64_t rows_each = 0);

}  // namespace apportion
