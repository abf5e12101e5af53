// The weights of a model's blocks, and the walk through them: where they lie (in shards of a group of ranks,
// in the node's memory, packed, or left in their file), and when a block's weights are gathered, held and
// released. llama.h has what a block computes, trained_weights.h what training changes.
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

/// Whether all ranks that hold the base share one memory. A GPU has its own.
bool shares_memory(const BaseLayout& layout, at::Device device);

/// The type in which linear layers compute, and the form in which they are stored until then.
struct WeightForm {
  at::ScalarType compute_type;
  BaseType base = BaseType::compute;

  bool is_packed() const { return base != BaseType::compute; }
  at::ScalarType stored_type() const { return is_packed() ? at::kByte : compute_type; }
};

/// The weights of one block. Those of linear layers exist only while the block is held.
struct BlockWeights {
  std::vector<at::Tensor> vectors;  // as in BlockDescription, float32
  std::unique_ptr<ShardGroup> base;
  std::vector<LinearGroup> groups;             // BlockDescription's products
  std::unique_ptr<CountedBaseBytes> unpacked;  // of a packed base, while its weights are unpacked

  /// The leaves of a trained block: its vectors, then what stands for its linear layers, in its group's
  /// order.
  std::vector<at::Tensor> leaves() const;
};

/// Rows [first, last) of a block's layers `parts`, stacked, in float32 or packed.
at::Tensor fused_rows(const WeightSource& source, int64_t layer, const FusedLayers& parts, int64_t first,
                      int64_t last, BaseType base);

/// The direction through the blocks.
enum class Direction { forward, backward };

class BlockStore {
 public:
  /// Loads this rank's part of the weights (layout.ranks null: all). With BasePlace::file it reads them from
  /// `weights` repeatedly as long as this lives. `shared`: as for ShardGroup, for all blocks; undefined if
  /// the layout shares no memory. Collective over the layout's ranks. Throws UserError for layers that cannot
  /// be packed.
  BlockStore(const WeightSource& weights, const ModelShape& shape, const WeightForm& form, at::Device device,
             const BaseLayout& layout, const at::Tensor& shared);
  /// Length of `shared` in bytes.
  static int64_t shared_bytes(const ModelShape& shape, const WeightForm& form);
  /// Permanently holds the blocks that are here in the form to compute with. Call it once, after a barrier if
  /// there is `shared` memory.
  void hold_whole() const;

  /// Calls work(layer, item) for every layer, in the direction's order for each of `items`. If blocks must be
  /// gathered or unpacked, they are the outer loop, once for all items, and the next is in flight while one
  /// computes; otherwise each item goes through the blocks on a lane. Results do not depend on which. With
  /// `after`, blocks are always the outer loop, and after(layer) is called when all items have been through a
  /// block. Skips layers below `lowest`. Collective over the layout's ranks, even without items.
  void walk(Direction direction, int items, const std::function<void(int64_t layer, int item)>& work,
            const std::function<void(int64_t layer)>& after = {}, int64_t lowest = 0) const;

  /// Gathers all blocks. Collective.
  void gather_all() const;
  /// Drops gathered copies of weights that have changed. Collective.
  void weights_changed();
  /// Whether all blocks are here in the form to compute with: walk() then moves and unpacks nothing, and
  /// several threads may go through the blocks.
  bool is_whole() const;

  int64_t layers() const { return static_cast<int64_t>(blocks_.size()); }
  const BlockDescription& description() const { return description_; }
  BlockWeights& at(int64_t layer) { return *blocks_[static_cast<size_t>(layer)]; }
  const BlockWeights& at(int64_t layer) const { return *blocks_[static_cast<size_t>(layer)]; }
  /// A block's vector, by its name in BlockDescription.
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
