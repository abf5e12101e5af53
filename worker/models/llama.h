// Llama-family decoders (SmolLM2, Llama 3.x, Qwen2, Qwen3, Gemma 2): a forward pass over a tree of tokens,
// block by block.
// How the base lies over ranks, precision and device come from outside; log-probs of tokens are
// losses/log_probs.h's business.
//
// Legend: T rows (padded), C width, V vocabulary.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shared/architecture/block.h"
#include "shared/architecture/shape.h"
#include "worker/models/kv_cache.h"
#include "worker/models/layers.h"
#include "worker/models/lora.h"
#include "worker/models/vocabulary.h"
#include "worker/models/weight_source.h"
#include "worker/tree/tree_attention.h"

namespace apportion {

/// Tokens to compute, row by row. Rows beyond `count` fill the last block; their results mean nothing.
struct TokenRows {
  int64_t count = 0;
  at::Tensor ids_T, positions_T;  // int64, padded to plan.rows
  AttentionPlan plan;
  std::vector<int64_t> part_rows;  // of rows that were joined: how many each part has
  at::Tensor cos_T1D, sin_T1D;     // what rotates each row on a GPU (Llama::turn)
};

/// The tensors, to be moved or counted.
std::vector<at::Tensor*> tensors_of(TokenRows& rows);

/// Rows for the nodes `queries` of `tree`, attending in blocks of `block_rows`. Throws UserError when a path
/// is longer than `context_length`.
TokenRows token_rows(const TokenTree& tree, const std::vector<int32_t>& queries, int64_t block_rows,
                     int64_t context_length, at::Device device);

/// The rows of `parts` (whole trees, without a cache, in host memory) on top of each other, for where a row's
/// results do not depend on the rows beside it (Llama::rows_are_independent). For a GPU every part is filled
/// up to `rows_each`, so that a product can be made of all parts at once (join_plans).
TokenRows join_rows(const std::vector<const TokenRows*>& parts, int64_t rows_each = 0);

/// The way through the blocks.
enum class Direction { forward, backward };

class Llama {
 public:
  /// Loads this rank's part of the weights (layout.ranks null: all), or with BasePlace::file asks `weights`
  /// for it again and again as long as this lives. Linear layers are kept in `compute_type`, or packed as
  /// `base` says and unpacked block by block while walk() is in the block; norms, embedding and head in
  /// float32. Collective over the layout's ranks. Throws UserError for layers that cannot be packed.
  Llama(const WeightSource& weights, const ModelShape& shape, at::ScalarType compute_type, at::Device device,
        const BaseLayout& layout = {}, BaseType base = BaseType::compute);

  /// Gives rows on a GPU that go through the blocks without a cache what rotates them.
  void turn(TokenRows& rows) const;

  /// The final norm's output, float32 [T, C]. `adapter` may be null. Without `cache` the rows are the whole
  /// tree, in the order of its nodes. With a cache the rows are the nodes [first_slot, first_slot + count):
  /// their keys and values are stored there, and earlier slots are read. Differentiable in the adapter
  /// (without cache, and while all of the base is here: is_whole).
  at::Tensor hidden(const TokenRows& rows, const Adapter* adapter, KvCache* cache = nullptr,
                    int64_t first_slot = 0) const;

  /// The parts of hidden(), for those who go through the blocks with several trees at once. Block `layer` of
  /// x_TC (float32); between walk()'s calls only, which hold the block's weights.
  at::Tensor block(int64_t layer, const at::Tensor& x_TC, const TokenRows& rows, const Adapter* adapter,
                   KvCache* cache = nullptr, int64_t first_slot = 0) const;
  at::Tensor final_norm(const at::Tensor& x_TC) const;

  /// Calls work(layer, item) for every layer, in the direction's order for each of `items`. Where blocks must
  /// be gathered or unpacked they are the outer loop, once for all items, the next in flight while one
  /// computes; else each item goes its own way on a lane. Results do not depend on which. With `after`,
  /// blocks are the outer loop in any case, and after(layer) is called when all items have been through one.
  /// Layers below `lowest` are left out. Collective over the layout's ranks, also with no items.
  void walk(Direction direction, int items, const std::function<void(int64_t layer, int item)>& work,
            const std::function<void(int64_t layer)>& after = {}, int64_t lowest = 0) const;

  /// Whether each row of block() has the same bits whatever rows are beside it, forward and backward: all
  /// products are kernels/panel_products.h's.
  bool rows_are_independent(const Adapter& adapter) const;

  /// Embedding and head.
  const Vocabulary& vocabulary() const { return *vocabulary_; }
  /// The head alone of other weights of this shape, in this model's layout but in no memory of the machine's.
  /// Collective.
  std::unique_ptr<Vocabulary> other_head(const WeightSource& weights) const;

  /// From here on all weights are trained: block() and final_norm() are differentiable in them (leaves_of,
  /// output_norm). Returns the groups that hold them, in their order: blocks, chunks of the embedding and of
  /// a head of its own, and all vectors (norms, biases), which move into a group for that. `weights` has
  /// their first values. Collective, once.
  std::vector<TrainedGroup> train_all(const WeightSource& weights);
  bool trains_all() const { return norms_ != nullptr; }
  /// How many vectors a block has.
  size_t block_vectors() const { return description_.vectors.size(); }
  /// The leaves of block `layer`: its vectors, then what stands for its linear layers, as in its group.
  std::vector<at::Tensor> leaves_of(int64_t layer) const;
  const at::Tensor& output_norm() const { return output_norm_; }
  /// Weights of the groups have changed: what was gathered of the old ones is dropped. Collective.
  void weights_changed();

  /// Whether what is gathered stays, and so can be gathered all at once. Collective.
  bool keeps_gathered() const { return layout_.resident; }
  void gather_all() const;
  /// Whether all of the base is here as it is computed with: nothing above moves data between ranks or
  /// unpacks it, and several threads may go through the blocks.
  bool is_whole() const;

  const ModelShape& shape() const { return shape_; }
  at::ScalarType compute_type() const { return compute_type_; }
  at::Device device() const { return device_; }

 private:
  struct Block {
    std::vector<at::Tensor> vectors;  // as BlockDescription's
    std::unique_ptr<ShardGroup> base;
    std::vector<LinearGroup>
        groups;  // BlockDescription's products; their weights are there while the base is
    std::unique_ptr<CountedBaseBytes> unpacked;  // of a packed base, while the weights are there
  };
  /// The norm whose weights these are.
  at::Tensor normed(const at::Tensor& x_TC, const at::Tensor& weight_C, at::ScalarType type) const;
  at::Tensor queries_keys_values(const at::Tensor& n_TC, int64_t layer, const TokenRows& rows,
                                 const Adapter* adapter) const;
  at::Tensor attention(const at::Tensor& n_TC, int64_t layer, const TokenRows& rows, const Adapter* adapter,
                       KvCache* cache, int64_t first_slot) const;
  std::unique_ptr<Block> load_block(const WeightSource& source, int64_t layer, const BaseLayout& layout,
                                    const at::Tensor& shared) const;
  /// Where the weights of norms and biases lie, and what they are called.
  struct Vector {
    std::string name;
    at::Tensor* weights;
  };
  std::vector<Vector> vectors();
  /// The vector of a block by BlockDescription's name.
  const at::Tensor& vector(const Block& block, std::string_view name) const;
  bool is_packed() const { return base_ != BaseType::compute; }
  std::vector<std::vector<int64_t>> stored_sizes() const;
  at::ScalarType stored_type() const { return is_packed() ? at::kByte : compute_type_; }
  void hold(Block& block) const;
  void release(Block& block) const;

  ModelShape shape_;
  BlockDescription description_;
  ScoreRule scores_;
  at::ScalarType compute_type_;
  at::Device device_;
  BaseLayout layout_;
  BaseType base_;
  std::unique_ptr<Vocabulary> vocabulary_;
  at::Tensor output_norm_;
  std::vector<std::unique_ptr<Block>> blocks_;
  std::unique_ptr<ShardGroup> norms_;  // all vectors of a model that is trained; copies lie in the blocks
  RotaryTable rotary_;
};

}  // namespace apportion
