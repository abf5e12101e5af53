// Attention over ancestors without a [T, T] mask: queries are cut into blocks of rows, and each block reads
// only keys that at least one of its rows descends from (and, with a window, sees). This is exact: the keys
// left out have weight zero.
//
// Legend: T query rows (padded), S key slots, B blocks, Q rows of a block, U most keys of a block,
//         H query heads, G key/value heads, D head_dim.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <limits>
#include <vector>

#include "worker/kernels/score_rule.h"
#include "worker/tree/token_tree.h"

namespace apportion {

/// Products have at least least_rows rows, as from there on their bits were seen not to depend on threads,
/// and a multiple of row_multiple, so that blocks fill them.
inline constexpr int64_t least_rows = 64;
inline constexpr int64_t row_multiple = 32;

inline int64_t padded_rows(int64_t rows) {
  return rows < least_rows ? least_rows : (rows + row_multiple - 1) / row_multiple * row_multiple;
}

/// Rows of a block: many if neighbours share most of their ancestors (a packed batch), few if each brings its
/// own keys (the growing ends of answers). Both divide row_multiple.
inline constexpr int64_t packed_block_rows = 32;
inline constexpr int64_t growing_block_rows = 16;

/// Which keys each block of queries reads, as index tensors.
struct AttentionPlan {
  int64_t rows = 0;                 // T, a multiple of row_multiple
  int64_t block_rows = 0;           // Q
  int64_t slots = 0;                // S: slots of the key/value store that may be read
  int64_t pairs = 0;                // unmasked (query, key) pairs, for counting FLOPs
  at::Tensor keys_BU;               // int64 slot of each key; padding is a slot of the same tree
  std::vector<int64_t> key_counts;  // [B] keys before the padding, at least 1
  at::Tensor mask_BQU;              // float32: 0 where the row attends to the key, else -inf
  at::Tensor users,
      user_offsets;  // int64: where each slot occurs in keys_BU, slot by slot (for the gradient)
};

/// No window: a row attends to all its ancestors.
inline constexpr int64_t no_window = std::numeric_limits<int64_t>::max();

/// The plan for the rows `queries` (nodes of `tree`; a node's index is its slot), in this order. With a
/// `window` a row attends to the last `window` nodes of its path, including itself (Longformer, arXiv
/// 2004.05150). Rows that fill up the last block read the first row's own key; their results mean nothing.
AttentionPlan plan_attention(const TokenTree& tree, const std::vector<int32_t>& queries, int64_t block_rows,
                             int64_t window = no_window);

/// Joins the plans of trees whose rows are stacked, with their padding: slots are rows. By default each part
/// takes its own number of rows, and the plan lacks users. With `rows_each` (at least that of the longest)
/// each part takes that many, and the plan has users. Plans are in host memory.
AttentionPlan join_plans(const std::vector<const AttentionPlan*>& parts, int64_t rows_each = 0);

/// B blocks of Q rows, each reading U keys of G key heads; `share` query heads of D values share a key head.
struct AttentionSizes {
  int64_t blocks, rows, width, groups, share, head_dim;

  /// [T, H, D] as [B * G, share * Q, D]: query heads that share a key head are stacked as additional rows.
  at::Tensor by_block(const at::Tensor& q_THD) const;
  at::Tensor by_row(const at::Tensor& q_NRD) const;  // and back
};
AttentionSizes sizes_of(const at::Tensor& q_THD, int64_t kv_heads, const AttentionPlan& plan);

/// For each slot, the sum of the rows of its users (from a plan), added in float32 in the order of the list
/// without atomic adds (as an embedding bag does), returned in `type`.
at::Tensor summed_by_slot(const at::Tensor& rows_UX, const at::Tensor& users, const at::Tensor& user_offsets,
                          at::ScalarType type);

/// The usual scores, q k / sqrt(D).
ScoreRule plain_scores(int64_t head_dim);
/// The capped scores of products q k (float32), which are overwritten, and their slopes with respect to scale
/// q k.
at::Tensor capped_scores(const at::Tensor& products, const ScoreRule& rule);
at::Tensor capped_slopes(const at::Tensor& products, const ScoreRule& rule);

/// softmax(scores + mask) v. q_THD, k_SGD, v_SGD of one type; returns [T, H, D]. Differentiable.
at::Tensor tree_attention(const at::Tensor& q_THD, const at::Tensor& k_SGD, const at::Tensor& v_SGD,
                          const AttentionPlan& plan, const ScoreRule& rule);

}  // namespace apportion
