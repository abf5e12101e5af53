// Llama-family decoders (SmolLM2, Llama 3.x): a single-device forward pass over a tree of tokens.
// Sharding, precision and device come from outside; log-probs of tokens are losses/log_probs.h's business.
//
// Legend: T rows (padded), C width, V vocabulary.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "shared/model/shape.h"
#include "worker/models/kv_cache.h"
#include "worker/models/layers.h"
#include "worker/models/lora.h"
#include "worker/models/weight_source.h"
#include "worker/tree/tree_attention.h"

namespace apportion {

/// Tokens to compute, row by row. Rows beyond `count` fill the last block; their results mean nothing.
struct TokenRows {
  int64_t count = 0;
  at::Tensor ids_T, positions_T;  // int64, padded to plan.rows
  AttentionPlan plan;
};

/// Rows for the nodes `queries` of `tree`, attending in blocks of `block_rows`. Throws UserError when a path
/// is longer than `context_length`.
TokenRows token_rows(const TokenTree& tree, const std::vector<int32_t>& queries, int64_t block_rows,
                     int64_t context_length, at::Device device);

class Llama {
 public:
  /// Loads all weights. Linear layers are kept in `compute_type`, norms in float32, the embedding in both.
  Llama(const WeightSource& weights, const ModelShape& shape, at::ScalarType compute_type, at::Device device);

  /// The final norm's output, float32 [T, C]. `adapter` may be null. Without `cache` the rows are the whole
  /// tree, in the order of its nodes. With a cache the rows are the nodes [first_slot, first_slot + count):
  /// their keys and values are stored there, and earlier slots are read. Differentiable in the adapter
  /// (without cache).
  at::Tensor hidden(const TokenRows& rows, const Adapter* adapter, KvCache* cache = nullptr,
                    int64_t first_slot = 0) const;

  const ModelShape& shape() const { return shape_; }
  at::ScalarType compute_type() const { return compute_type_; }
  at::Device device() const { return device_; }
  /// The vocabulary matrix [V, C] in float32 (for logits) and in the compute type (for their gradient).
  const at::Tensor& head_VC() const { return head_; }
  const at::Tensor& head_compute_VC() const { return head_compute_; }

 private:
  struct Block {
    at::Tensor attention_norm, ffn_norm;
    std::vector<LinearGroup> groups;  // as block_groups
  };
  at::Tensor attention(const at::Tensor& n_TC, int64_t layer, const TokenRows& rows, const at::Tensor& cos,
                       const at::Tensor& sin, const Adapter* adapter, KvCache* cache,
                       int64_t first_slot) const;
  Block load_block(const WeightSource& source, int64_t layer) const;

  ModelShape shape_;
  at::ScalarType compute_type_;
  at::Device device_;
  at::Tensor embedding_, head_, head_compute_, output_norm_;
  std::vector<Block> blocks_;
  RotaryTable rotary_;
};

}  // namespace apportion
