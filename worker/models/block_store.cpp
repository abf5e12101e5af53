#include "worker/models/block_store.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <string>

#include "shared/base/error.h"
#include "worker/models/packed_linear.h"
#include "worker/parallel/lanes.h"

namespace apportion {

namespace {

/// Sizes of a block's tensors as stored and gathered; a packed one is [O, bytes of a row].
std::vector<std::vector<int64_t>> stored_sizes(const BlockDescription& description, const WeightForm& form) {
  std::vector<std::vector<int64_t>> sizes;
  for (const FusedLayers& product : description.products) {
    const int64_t inputs = inputs_of(product);
    sizes.push_back({outputs_of(product), form.is_packed() ? packed_row_bytes(form.base, inputs) : inputs});
  }
  return sizes;
}

int64_t bytes_of_block(const BlockDescription& description, const WeightForm& form) {
  return ShardGroup::packed_bytes(stored_sizes(description, form), form.stored_type());
}

}  // namespace

bool shares_memory(const BaseLayout& layout, at::Device device) {
  return device.is_cpu() && layout.place == BasePlace::memory && layout.ranks && layout.ranks->size() > 1 &&
         static_cast<int>(layout.ranks->node_ranks().size()) == layout.ranks->size();
}

at::Tensor fused_rows(const WeightSource& source, int64_t layer, const FusedLayers& parts, int64_t first,
                      int64_t last, BaseType base) {
  std::vector<at::Tensor> rows;
  for (const LinearLayer& part : parts) {
    const int64_t from = std::max(first - part.first_row, int64_t{0}),
                  to = std::min(last - part.first_row, part.outputs);
    if (from >= to) continue;
    const std::string name = weight_name(layer, part.name);
    rows.push_back(base == BaseType::compute ? source.rows(name, from, to)
                                             : source.packed_rows(name, from, to, packed_type(base)));
  }
  return rows.size() == 1 ? rows[0] : at::cat(rows);
}

std::vector<at::Tensor> BlockWeights::leaves() const {
  std::vector<at::Tensor> leaves = vectors;
  for (const LinearGroup& group : groups) leaves.push_back(group.leaf_OI);
  return leaves;
}

BlockStore::BlockStore(const WeightSource& weights, const ModelShape& shape, const WeightForm& form,
                       at::Device device, const BaseLayout& layout, const at::Tensor& shared)
    : description_(describe_block(shape)), form_(form), device_(device) {
  const int64_t bytes = bytes_of_block(description_, form);
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    blocks_.push_back(load(weights, layer, layout,
                           shared.defined() ? shared.narrow(0, layer * bytes, bytes) : at::Tensor()));
  }
}

int64_t BlockStore::shared_bytes(const ModelShape& shape, const WeightForm& form) {
  return bytes_of_block(describe_block(shape), form) * shape.layers;
}

std::unique_ptr<BlockWeights> BlockStore::load(const WeightSource& source, int64_t layer,
                                               const BaseLayout& layout, const at::Tensor& shared) const {
  auto block = std::make_unique<BlockWeights>();
  for (const VectorWeights& vector : description_.vectors)
    block->vectors.push_back(source.whole(block_prefix(layer).append(vector.name)).to(device_));
  for (const FusedLayers& parts : description_.products) block->groups.push_back({at::Tensor(), parts});
  // With a base that stays in its file, rows are read as long as the block lives.
  auto rows = [&source, layer, groups = &block->groups, base = form_.base](size_t group, int64_t first,
                                                                           int64_t last) {
    return fused_rows(source, layer, (*groups)[group].parts, first, last, base);
  };
  block->base = std::make_unique<ShardGroup>(stored_sizes(description_, form_), form_.stored_type(), device_,
                                             layout, shared, rows);
  return block;
}

void BlockStore::hold_whole() const {
  for (const auto& block : blocks_) {
    if (block->base->is_whole() && !form_.is_packed()) hold(*block);
  }
}

void BlockStore::hold(BlockWeights& block) const {
  const auto& stored = block.base->get();
  int64_t bytes = 0;
  for (size_t group = 0; group < stored.size(); ++group) {
    at::Tensor& weight_OI = block.groups[group].weight_OI;
    weight_OI = form_.is_packed() ? unpacked(stored[group], form_.base, inputs_of(block.groups[group].parts),
                                             form_.compute_type)
                                  : stored[group];
    bytes += static_cast<int64_t>(weight_OI.nbytes());
  }
  if (form_.is_packed()) block.unpacked = std::make_unique<CountedBaseBytes>(bytes);
}

void BlockStore::release(BlockWeights& block) const {
  block.base->release();
  if (block.base->is_whole() && !form_.is_packed()) return;
  block.unpacked.reset();
  for (LinearGroup& group : block.groups) group.weight_OI.reset();
}

void BlockStore::walk(Direction direction, int items,
                      const std::function<void(int64_t layer, int item)>& work,
                      const std::function<void(int64_t layer)>& after, int64_t lowest) const {
  const int64_t count = layers() - lowest;
  auto layer_of = [&](int64_t step) {
    return direction == Direction::forward ? lowest + step : layers() - 1 - step;
  };
  auto block_of = [&](int64_t step) -> BlockWeights& {
    return *blocks_[static_cast<size_t>(layer_of(step))];
  };
  if (is_whole() && !after) {
    run_lanes(items, device_, [&](int item) {
      for (int64_t step = 0; step < count; ++step) work(layer_of(step), item);
    });
    return;
  }
  for (int64_t step = 0; step < count; ++step) {
    hold(block_of(step));
    if (step + 1 < count) block_of(step + 1).base->gather();
    run_lanes(items, device_, [&](int item) { work(layer_of(step), item); });
    if (after) after(layer_of(step));
    release(block_of(step));
  }
}

void BlockStore::gather_all() const {
  for (const auto& block : blocks_) {
    block->base->get();
    if (!form_.is_packed()) hold(*block);
  }
}

void BlockStore::weights_changed() {
  for (auto& block : blocks_) {
    block->base->drop();
    for (LinearGroup& group : block->groups) group.weight_OI.reset();
  }
  hold_whole();
}

bool BlockStore::is_whole() const {
  return !form_.is_packed() && std::all_of(blocks_.begin(), blocks_.end(),
                                           [](const auto& block) { return block->base->is_whole(); });
}

const at::Tensor& BlockStore::vector(int64_t layer, std::string_view name) const {
  const auto found = std::find_if(description_.vectors.begin(), description_.vectors.end(),
                                  [&](const VectorWeights& vector) { return vector.name == name; });
  ensure(found != description_.vectors.end(), "a block has the vectors that its architecture names");
  return at(layer).vectors[static_cast<size_t>(found - description_.vectors.begin())];
}

}  // namespace apportion
