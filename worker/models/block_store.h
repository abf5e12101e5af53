// The weights of a model's blocks, and the walk through them: which of them lie here (in shards of a group of
// ranks, in a memory of the node's, packed, or left in their file), and when a block's are gathered, held and
// let go. What a block computes is llama.h's business, what training changes trained_weights.h's.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "shared/architecture/block.h"
#include "shared/architecture/shape.h"
#include "worker/models/lora.h"
#include "worker/models/weight_source.h"
#include "worker/parallel/shard_group.h"

namespace apportion {

/// Whether all ranks that hold the base see one memory. A GPU has its own.
bool shares_memory(const BaseLayout& layout, at::Device device);

/// What linear layers are computed in, and what they are kept in until then.
struct WeightForm {
  at::ScalarType compute_type;
  BaseType base = BaseType::compute;

  bool is_packed() const { return base != BaseType::compute; }
  at::ScalarType stored_type() const { return is_packed() ? at::kByte : compute_type; }
};

/// The weights of one block. Those of linear layers are there while the block is held.
struct BlockWeights {
  std::vector<at::Tensor> vectors;  // as BlockDescription's, float32
  std::unique_ptr<ShardGroup> base;
  std::vector<LinearGroup> groups;             // BlockDescription's products
  std::unique_ptr<CountedBaseBytes> unpacked;  // of a packed base, while the weights are there

  /// Of a block that is trained: its vectors, then what stands for its linear layers, as in its group.
  std::vector<at::Tensor> leaves() const;
};

/// Rows [first, last) of the layers `parts` of a block on top of each other, in float32 or packed.
at::Tensor fused_rows(const WeightSource& source, int64_t layer, const FusedLayers& parts, int64_t first,
                      int64_t last, BaseType base);

/// The way through the blocks.
enum class Direction { forward, backward };

class BlockStore {
 public:
  /// Loads this rank's part of the weights (layout.ranks null: all), or with BasePlace::file asks `weights`
  /// for it again and again as long as this lives. `shared` as ShardGroup's, for all blocks; undefined where
  /// the layout shares no memory. Collective over the layout's ranks. Throws UserError for layers that cannot
  /// be packed.
  BlockStore(const WeightSource& weights, const ModelShape& shape, const WeightForm& form, at::Device device,
             const BaseLayout& layout, const at::Tensor& shared);
  /// Length of `shared`.
  static int64_t shared_bytes(const ModelShape& shape, const WeightForm& form);
  /// Holds for good the blocks that are here as they are computed with. Once after a barrier, where `shared`
  /// is.
  void hold_whole() const;

  /// Calls work(layer, item) for every layer, in the direction's order for each of `items`. Where blocks must
  /// be gathered or unpacked they are the outer loop, once for all items, the next in flight while one
  /// computes; else each item goes its own way on a lane. Results do not depend on which. With `after`,
  /// blocks are the outer loop in any case, and after(layer) is called when all items have been through one.
  /// Layers below `lowest` are left out. Collective over the layout's ranks, also with no items.
  void walk(Direction direction, int items, const std::function<void(int64_t layer, int item)>& work,
            const std::function<void(int64_t layer)>& after = {}, int64_t lowest = 0) const;

  /// Gathers all blocks. Collective.
  void gather_all() const;
  /// Drops what was gathered of weights that have changed. Collective.
  void weights_changed();
  /// Whether all blocks are here as they are computed with: walk() moves and unpacks nothing, and several
  /// threads may go through the blocks.
  bool is_whole() const;

  int64_t layers() const { return static_cast<int64_t>(blocks_.size()); }
  const BlockDescription& description() const { return description_; }
  BlockWeights& at(int64_t layer) { return *blocks_[static_cast<size_t>(layer)]; }
  const BlockWeights& at(int64_t layer) const { return *blocks_[static_cast<size_t>(layer)]; }
  /// The vector of a block by BlockDescription's name.
  const at::Tensor& vector(int64_t layer, std::string_view name) const;

 private:
  std::unique_ptr<BlockWeights> load(const WeightSource& source, int64_t layer, const BaseLayout& layout,
                                     const at::Tensor& shared) const;
  void hold(BlockWeights& block) const;
  void release(BlockWeights& block) const;

  BlockDescription description_;
  WeightForm form_;
  at::Device device_;
  std::vector<std::unique_ptr<BlockWeights>> blocks_;
};

}  // namespace apportion
