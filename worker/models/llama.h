// Llama-family decoders (SmolLM2, Llama 3.x, Qwen2, Qwen3, Gemma 2): a forward pass over a tree of tokens,
// block by block.
// block_store.h has where the blocks' weights lie and when they are here, losses/log_probs.h the log-probs of
// tokens.
//
// Legend: T rows (padded), C width.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string_view>

#include "shared/architecture/shape.h"
#include "worker/models/block_store.h"
#include "worker/models/kv_cache.h"
#include "worker/models/layers.h"
#include "worker/models/lora.h"
#include "worker/models/token_rows.h"
#include "worker/models/trained_weights.h"
#include "worker/models/vocabulary.h"
#include "worker/models/weight_source.h"

namespace apportion {

class Llama {
 public:
  /// Loads this rank's part of the weights, as BlockStore does. Linear layers are stored in `compute_type`,
  /// or packed according to `base` and unpacked while blocks().walk() is in their block; norms, embedding and
  /// head are in float32. Collective over the layout's ranks. Throws UserError for layers that cannot be
  /// packed.
  Llama(const WeightSource& weights, const ModelShape& shape, at::ScalarType compute_type, at::Device device,
        const BaseLayout& layout = {}, BaseType base = BaseType::compute);

  /// Fills in cos_T1D and sin_T1D of rows that go through the blocks on a GPU without a cache.
  void turn(TokenRows& rows) const;

  /// The final norm's output, float32 [T, C]. `adapter` may be null. Without `cache` the rows are the whole
  /// tree, in the order of its nodes. With a cache they are the nodes [first_slot, first_slot + count): their
  /// keys and values are stored in those slots, and earlier slots are read. Differentiable in the adapter
  /// (without a cache, and if is_whole).
  at::Tensor hidden(const TokenRows& rows, const Adapter* adapter, KvCache* cache = nullptr,
                    int64_t first_slot = 0) const;

  /// The parts of hidden(), for callers that take several trees through the blocks at once. Applies block
  /// `layer` to x_TC (float32). Call it only from blocks().walk(), which holds the block's weights.
  at::Tensor block(int64_t layer, const at::Tensor& x_TC, const TokenRows& rows, const Adapter* adapter,
                   KvCache* cache = nullptr, int64_t first_slot = 0) const;
  at::Tensor final_norm(const at::Tensor& x_TC) const;

  /// Whether each row of block() has the same bits whatever the other rows are, forward and backward: all
  /// products are kernels/panel_products.h's.
  bool rows_are_independent(const Adapter& adapter) const;

  const BlockStore& blocks() const { return *blocks_; }
  /// Embedding and head.
  const Vocabulary& vocabulary() const { return *vocabulary_; }
  const at::Tensor& output_norm() const { return output_norm_; }
  /// Only the head of other weights of this shape, in this model's layout but not in memory shared on the
  /// machine. Collective.
  std::unique_ptr<Vocabulary> other_head(const WeightSource& weights) const;

  /// From here on all weights are trained: block() and final_norm() are differentiable in them. `weights` has
  /// their first values. The result refers to this model. Collective; call it once.
  TrainedWeights train_all(const WeightSource& weights);

  /// Whether gathered weights stay, so that gather_all(), which is collective, may gather all at once.
  bool keeps_gathered() const { return layout_.resident; }
  void gather_all() const;
  /// Whether all of the base is here in the form to compute with: no function above then moves data between
  /// ranks or unpacks it, and several threads may go through the blocks.
  bool is_whole() const { return vocabulary_->is_whole() && blocks_->is_whole(); }

  const ModelShape& shape() const { return shape_; }
  at::ScalarType compute_type() const { return compute_type_; }
  at::Device device() const { return device_; }

 private:
  /// block()'s arguments for one block of a pass.
  struct BlockOfPass {
    int64_t layer;
    const TokenRows& rows;
    const Adapter* adapter;
    KvCache* cache;
    int64_t first_slot;
  };
  at::Tensor attention(const at::Tensor& n_TC, const BlockOfPass& here) const;
  at::Tensor feed_forward(const at::Tensor& n_TC, const BlockOfPass& here) const;
  at::Tensor queries_keys_values(const at::Tensor& n_TC, const BlockOfPass& here) const;
  /// The block's product `product`, with its adapters.
  at::Tensor linear(const at::Tensor& x_TI, size_t product, const BlockOfPass& here) const;
  /// The norm of x_TC with these weights.
  at::Tensor normed(const at::Tensor& x_TC, const at::Tensor& weight_C, at::ScalarType type) const;

  ModelShape shape_;
  ScoreRule scores_;
  at::ScalarType compute_type_;
  at::Device device_;
  BaseLayout layout_;
  std::unique_ptr<BlockStore> blocks_;
  std::unique_ptr<Vocabulary> vocabulary_;
  at::Tensor output_norm_;
  RotaryTable rotary_;
};

}  // namespace apportion
