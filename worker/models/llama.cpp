#include "worker/models/llama.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <string>

#include "shared/architecture/block.h"
#include "shared/architecture/rope.h"
#include "shared/base/error.h"
#include "worker/kernels/panel_products.h"
#include "worker/models/adapted_linear.h"
#include "worker/models/packed_linear.h"
#include "worker/models/queued_copy.h"
#include "worker/parallel/lanes.h"
#include "worker/tree/device_attention.h"

namespace apportion {

namespace {

/// Rows [first, last) of the layers `parts` on top of each other, in float32 or packed.
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

/// Whether all ranks that hold the base see one memory. A GPU has its own.
bool shares_memory(const BaseLayout& layout, at::Device device) {
  return device.is_cpu() && layout.place == BasePlace::memory && layout.ranks && layout.ranks->size() > 1 &&
         static_cast<int>(layout.ranks->node_ranks().size()) == layout.ranks->size();
}

}  // namespace

std::vector<at::Tensor*> tensors_of(TokenRows& rows) {
  AttentionPlan& plan = rows.plan;
  return {&rows.ids_T, &rows.positions_T, &plan.keys_BU, &plan.mask_BQU, &plan.users, &plan.user_offsets};
}

TokenRows token_rows(const TokenTree& tree, const std::vector<int32_t>& queries, int64_t block_rows,
                     int64_t context_length, at::Device device) {
  TokenRows rows;
  rows.count = static_cast<int64_t>(queries.size());
  rows.plan = plan_attention(tree, queries, block_rows);
  std::vector<int64_t> ids(static_cast<size_t>(rows.plan.rows), tree.token(queries[0]));
  std::vector<int64_t> positions(static_cast<size_t>(rows.plan.rows), 0);
  for (size_t row = 0; row < queries.size(); ++row) {
    ids[row] = tree.token(queries[row]);
    positions[row] = tree.depth(queries[row]);
    if (positions[row] >= context_length) {
      throw UserError("a prompt with its answer is longer than the model's context of " +
                      std::to_string(context_length) + " tokens; shorten the wording or max_answer_tokens");
    }
  }
  rows.ids_T = at::tensor(ids, at::kLong);
  rows.positions_T = at::tensor(positions, at::kLong);
  move_together(tensors_of(rows), device);
  return rows;
}

TokenRows join_rows(const std::vector<const TokenRows*>& parts, int64_t rows_each) {
  TokenRows rows;
  std::vector<at::Tensor> ids, positions;
  std::vector<const AttentionPlan*> plans;
  for (const TokenRows* part : parts) {
    rows.part_rows.push_back(std::max(rows_each, part->plan.rows));
    const int64_t more = rows.part_rows.back() - part->plan.rows;
    auto filled = [&](const at::Tensor& list) {
      return more > 0 ? at::constant_pad_nd(list, {0, more}) : list;
    };
    ids.push_back(filled(part->ids_T));
    positions.push_back(filled(part->positions_T));
    plans.push_back(&part->plan);
  }
  rows.plan = join_plans(plans, rows_each);
  rows.count = rows.plan.slots;
  rows.ids_T = at::cat(ids);
  rows.positions_T = at::cat(positions);
  return rows;
}

Llama::Llama(const WeightSource& weights, const ModelShape& shape, at::ScalarType compute_type,
             at::Device device, const BaseLayout& layout, BaseType base)
    : shape_(shape),
      description_(describe_block(shape)),
      scores_{shape.attention_scale > 0 ? shape.attention_scale : plain_scores(shape.head_dim).scale,
              shape.attention_cap},
      compute_type_(compute_type),
      device_(device),
      layout_(layout),
      base_(base) {
  at::Tensor shared;
  const int64_t block_bytes = ShardGroup::packed_bytes(stored_sizes(), stored_type());
  const int64_t vocabulary_bytes = Vocabulary::shared_bytes(shape);
  if (shares_memory(layout, device)) {
    shared = layout.ranks->allocate_shared(block_bytes * shape.layers + vocabulary_bytes);
  }
  auto part = [&](int64_t first, int64_t bytes) {
    return shared.defined() ? shared.narrow(0, first, bytes) : at::Tensor();
  };
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    blocks_.push_back(load_block(weights, layer, layout, part(layer * block_bytes, block_bytes)));
  }
  vocabulary_ = std::make_unique<Vocabulary>(weights, shape, compute_type, device, layout,
                                             part(shape.layers * block_bytes, vocabulary_bytes));
  if (shared.defined()) layout.ranks->barrier();  // the others' parts are written
  for (auto& block : blocks_) {
    if (block->base->is_whole() && !is_packed()) hold(*block);
  }
  output_norm_ = weights.whole(output_norm_name).to(device);
  rotary_ = rotary_table(shape.context_length, rope_frequencies(shape), device);
}

std::unique_ptr<Vocabulary> Llama::other_head(const WeightSource& weights) const {
  return std::make_unique<Vocabulary>(weights, shape_, compute_type_, device_, layout_, at::Tensor(),
                                      Vocabulary::Parts::head);
}

/// Of a block's tensors as they are kept and gathered: a packed one is [O, bytes of a row].
std::vector<std::vector<int64_t>> Llama::stored_sizes() const {
  std::vector<std::vector<int64_t>> sizes;
  for (const FusedLayers& product : description_.products) {
    const int64_t inputs = inputs_of(product);
    sizes.push_back({outputs_of(product), is_packed() ? packed_row_bytes(base_, inputs) : inputs});
  }
  return sizes;
}

std::unique_ptr<Llama::Block> Llama::load_block(const WeightSource& source, int64_t layer,
                                                const BaseLayout& layout, const at::Tensor& shared) const {
  auto block = std::make_unique<Block>();
  for (const VectorWeights& vector : description_.vectors)
    block->vectors.push_back(source.whole(block_prefix(layer).append(vector.name)).to(device_));
  for (const FusedLayers& parts : description_.products) block->groups.push_back({at::Tensor(), parts});
  // Of a base that stays in its file they are asked for as long as the block lives.
  auto rows = [&source, layer, groups = &block->groups, base = base_](size_t group, int64_t first,
                                                                      int64_t last) {
    return fused_rows(source, layer, (*groups)[group].parts, first, last, base);
  };
  block->base = std::make_unique<ShardGroup>(stored_sizes(), stored_type(), device_, layout, shared, rows);
  return block;
}

void Llama::hold(Block& block) const {
  const auto& stored = block.base->get();
  int64_t bytes = 0;
  for (size_t group = 0; group < stored.size(); ++group) {
    at::Tensor& weight_OI = block.groups[group].weight_OI;
    weight_OI = is_packed()
                    ? unpacked(stored[group], base_, inputs_of(block.groups[group].parts), compute_type_)
                    : stored[group];
    bytes += static_cast<int64_t>(weight_OI.nbytes());
  }
  if (is_packed()) block.unpacked = std::make_unique<CountedBaseBytes>(bytes);
}

void Llama::release(Block& block) const {
  block.base->release();
  if (block.base->is_whole() && !is_packed()) return;
  block.unpacked.reset();
  for (LinearGroup& group : block.groups) group.weight_OI.reset();
}

void Llama::walk(Direction direction, int items, const std::function<void(int64_t layer, int item)>& work,
                 const std::function<void(int64_t layer)>& after, int64_t lowest) const {
  const auto layers = static_cast<int64_t>(blocks_.size()), count = layers - lowest;
  auto layer_of = [&](int64_t step) {
    return direction == Direction::forward ? lowest + step : layers - 1 - step;
  };
  auto block_of = [&](int64_t step) -> Block& { return *blocks_[static_cast<size_t>(layer_of(step))]; };
  const bool whole =
      std::all_of(blocks_.begin(), blocks_.end(), [](const auto& block) { return block->base->is_whole(); });
  if (whole && !after && !is_packed()) {
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

std::vector<Llama::Vector> Llama::vectors() {
  std::vector<Vector> all;
  for (size_t layer = 0; layer < blocks_.size(); ++layer) {
    for (size_t vector = 0; vector < description_.vectors.size(); ++vector) {
      all.push_back({block_prefix(static_cast<int64_t>(layer)).append(description_.vectors[vector].name),
                     &blocks_[layer]->vectors[vector]});
    }
  }
  all.push_back({output_norm_name, &output_norm_});
  return all;
}

std::vector<TrainedGroup> Llama::train_all(const WeightSource& weights) {
  std::vector<TrainedGroup> groups;
  for (int64_t layer = 0; layer < shape_.layers; ++layer) {
    Block& block = *blocks_[static_cast<size_t>(layer)];
    for (size_t group = 0; group < block.groups.size(); ++group) {
      block.groups[group].leaf_OI = at::empty({1}, at::dtype(at::kFloat).device(device_))
                                        .expand(block.base->sizes()[group])
                                        .detach()
                                        .set_requires_grad(true);
    }
    auto rows = [&weights, &block, layer](size_t group, int64_t first, int64_t last) {
      return fused_rows(weights, layer, block.groups[group].parts, first, last, BaseType::compute);
    };
    groups.push_back({"blk." + std::to_string(layer), block.base.get(), rows});
  }
  vocabulary_->train(weights, groups);
  std::vector<std::string> names;
  std::vector<std::vector<int64_t>> sizes;
  for (const Vector& vector : vectors()) {
    names.push_back(vector.name);
    sizes.push_back(vector.weights->sizes().vec());
    *vector.weights = vector.weights->detach().clone().set_requires_grad(true);
  }
  auto rows = [&weights, names](size_t vector, int64_t first, int64_t last) {
    return weights.rows(names[vector], first, last);
  };
  norms_ = std::make_unique<ShardGroup>(sizes, at::kFloat, device_, BaseLayout{layout_.ranks, false},
                                        at::Tensor(), rows);
  groups.push_back({"norms", norms_.get(), rows});
  return groups;
}

std::vector<at::Tensor> Llama::leaves_of(int64_t layer) const {
  const Block& block = *blocks_[static_cast<size_t>(layer)];
  std::vector<at::Tensor> leaves = block.vectors;
  for (const LinearGroup& group : block.groups) leaves.push_back(group.leaf_OI);
  return leaves;
}

void Llama::weights_changed() {
  const at::NoGradGuard no_gradient;
  if (shares_memory(layout_, device_)) layout_.ranks->barrier();  // the others' parts are written
  vocabulary_->weights_changed();
  for (auto& block : blocks_) {
    block->base->drop();
    for (LinearGroup& group : block->groups) group.weight_OI.reset();
    if (block->base->is_whole()) hold(*block);
  }
  const std::vector<at::Tensor>& changed = norms_->get();
  size_t index = 0;
  for (const Vector& vector : vectors()) vector.weights->copy_(changed[index++]);
  norms_->release();
}

void Llama::gather_all() const {
  for (const auto& block : blocks_) {
    block->base->get();
    if (!is_packed()) hold(*block);
  }
  vocabulary_->gather_all();
}

bool Llama::rows_are_independent(const Adapter& adapter) const {
  if (shape_.head_dim % 2 != 0 || !multiplies_in_panels(device_, compute_type_)) return false;
  const std::vector<FusedLayers>& products = description_.products;
  return std::all_of(products.begin(), products.end(),
                     [&](const FusedLayers& product) { return fits_panels(product, adapter.config().rank); });
}

bool Llama::is_whole() const {
  return !is_packed() && vocabulary_->is_whole() &&
         std::all_of(blocks_.begin(), blocks_.end(),
                     [](const auto& block) { return block->base->is_whole(); });
}

void Llama::turn(TokenRows& rows) const {
  const at::Tensor cos = rotary_.cos.index_select(0, rows.positions_T),
                   sin = rotary_.sin.index_select(0, rows.positions_T);
  rows.cos_T1D = at::cat({cos, cos}, -1);
  rows.sin_T1D = at::cat({-sin, sin}, -1);
}

const at::Tensor& Llama::vector(const Block& block, std::string_view name) const {
  const auto found = std::find_if(description_.vectors.begin(), description_.vectors.end(),
                                  [&](const VectorWeights& vector) { return vector.name == name; });
  ensure(found != description_.vectors.end(), "a block has the vectors that its architecture names");
  return block.vectors[static_cast<size_t>(found - description_.vectors.begin())];
}

at::Tensor Llama::normed(const at::Tensor& x_TC, const at::Tensor& weight_C, at::ScalarType type) const {
  return rms_norm(x_TC.to(at::kFloat), shape_.unit_offset ? weight_C + 1 : weight_C, shape_.norm_epsilon,
                  type);
}

at::Tensor Llama::queries_keys_values(const at::Tensor& n_TC, int64_t layer, const TokenRows& rows,
                                      const Adapter* adapter) const {
  const Block& block = *blocks_[static_cast<size_t>(layer)];
  at::Tensor qkv_TX =
      adapted_linear(n_TC, block.groups[0], adapter ? adapter->group(layer, 0) : nullptr, rows.part_rows);
  if (shape_.qkv_bias) {
    const at::Tensor bias_X =
        at::cat({vector(block, "self_attn.q_proj.bias"), vector(block, "self_attn.k_proj.bias"),
                 vector(block, "self_attn.v_proj.bias")});
    qkv_TX = qkv_TX + bias_X.to(compute_type_);
  }
  if (!shape_.qk_norm) return qkv_TX;
  return norm_heads(qkv_TX, vector(block, "self_attn.q_norm.weight"),
                    vector(block, "self_attn.k_norm.weight"), shape_.heads, shape_.kv_heads,
                    shape_.norm_epsilon);
}

at::Tensor Llama::attention(const at::Tensor& n_TC, int64_t layer, const TokenRows& rows,
                            const Adapter* adapter, KvCache* cache, int64_t first_slot) const {
  const int64_t heads = shape_.heads, kv_heads = shape_.kv_heads, head_dim = shape_.head_dim;
  const Block& block = *blocks_[static_cast<size_t>(layer)];
  const at::Tensor qkv = queries_keys_values(n_TC, layer, rows, adapter);
  auto project = [&](const at::Tensor& out_THD) {
    return adapted_linear(out_THD.reshape({rows.plan.rows, heads * head_dim}), block.groups[1],
                          adapter ? adapter->group(layer, 1) : nullptr, rows.part_rows);
  };
  if (rows.cos_T1D.defined()) {
    const auto [q_THD, kv_SX] = rotate_device(qkv, rows.cos_T1D, rows.sin_T1D, heads, kv_heads);
    return project(
        device_attention(q_THD, kv_SX.narrow(0, 0, rows.plan.slots), kv_heads, rows.plan, scores_));
  }
  at::Tensor cos = rotary_.cos.index_select(0, rows.positions_T);
  at::Tensor sin = rotary_.sin.index_select(0, rows.positions_T);
  auto [q, k, v] = rotate_heads(qkv, cos, sin, heads, kv_heads);
  if (cache) {
    cache->write(layer, first_slot, rows.count, k, v);
    k = cache->keys(layer, rows.plan.slots);
    v = cache->values(layer, rows.plan.slots);
  } else {
    k = k.narrow(0, 0, rows.plan.slots);
    v = v.narrow(0, 0, rows.plan.slots);
  }
  return project(tree_attention(q, k, v, rows.plan, scores_));
}

at::Tensor Llama::block(int64_t layer, const at::Tensor& x_TC, const TokenRows& rows, const Adapter* adapter,
                        KvCache* cache, int64_t first_slot) const {
  ensure(cache || rows.count == rows.plan.slots, "without a cache the rows are the whole tree");
  const Block& block = *blocks_[static_cast<size_t>(layer)];
  auto lora = [&](size_t group) { return adapter ? adapter->group(layer, group) : nullptr; };
  auto norm = [&](const at::Tensor& in_TC, std::string_view name) {
    return normed(in_TC, vector(block, name), compute_type_);
  };
  const bool output_norms = shape_.output_norms;
  at::Tensor out_TC =
      attention(norm(x_TC, "input_layernorm.weight"), layer, rows, adapter, cache, first_slot);
  if (output_norms) out_TC = norm(out_TC, "post_attention_layernorm.weight");
  const at::Tensor y_TC = add_residual(x_TC, out_TC);
  const at::Tensor n_TC =
      norm(y_TC, output_norms ? "pre_feedforward_layernorm.weight" : "post_attention_layernorm.weight");
  const at::Tensor inner_TF =
      gated_activation(adapted_linear(n_TC, block.groups[2], lora(2), rows.part_rows), shape_.activation);
  out_TC = adapted_linear(inner_TF, block.groups[3], lora(3), rows.part_rows);
  if (output_norms) out_TC = norm(out_TC, "post_feedforward_layernorm.weight");
  return add_residual(y_TC, out_TC);
}

at::Tensor Llama::final_norm(const at::Tensor& x_TC) const { return normed(x_TC, output_norm_, at::kFloat); }

at::Tensor Llama::hidden(const TokenRows& rows, const Adapter* adapter, KvCache* cache,
                         int64_t first_slot) const {
  if (cache) cache->reserve(rows.plan.slots);
  at::Tensor x_TC = vocabulary_->embed({rows.ids_T})[0];
  walk(Direction::forward, 1,
       [&](int64_t layer, int) { x_TC = block(layer, x_TC, rows, adapter, cache, first_slot); });
  return final_norm(x_TC);
}

}  // namespace apportion
