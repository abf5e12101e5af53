#include "worker/models/llama.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "shared/architecture/block.h"
#include "shared/architecture/rope.h"
#include "shared/base/error.h"
#include "worker/kernels/panel_products.h"
#include "worker/models/adapted_linear.h"
#include "worker/tree/device_attention.h"

namespace apportion {

namespace {

/// Indices of the products in BlockDescription.
constexpr size_t qkv_product = 0, output_product = 1, gate_up_product = 2, down_product = 3;

/// The names of a block's norms; empty: there is none.
struct BlockNorms {
  std::string_view attention_in, attention_out, feed_forward_in, feed_forward_out;
};
constexpr BlockNorms input_norms = {"input_layernorm.weight", "", "post_attention_layernorm.weight", ""};
constexpr BlockNorms all_norms = {"input_layernorm.weight", "post_attention_layernorm.weight",
                                  "pre_feedforward_layernorm.weight", "post_feedforward_layernorm.weight"};

}  // namespace

Llama::Llama(const WeightSource& weights, const ModelShape& shape, at::ScalarType compute_type,
             at::Device device, const BaseLayout& layout, BaseType base)
    : shape_(shape),
      scores_{shape.attention_scale > 0 ? shape.attention_scale : plain_scores(shape.head_dim).scale,
              shape.attention_cap},
      compute_type_(compute_type),
      device_(device),
      layout_(layout) {
  const WeightForm form{compute_type, base};
  at::Tensor of_blocks, of_vocabulary;  // parts of the memory that a node's ranks share
  if (shares_memory(layout, device)) {
    const int64_t bytes = BlockStore::shared_bytes(shape, form),
                  vocabulary_bytes = Vocabulary::shared_bytes(shape);
    const at::Tensor shared = layout.ranks->allocate_shared(bytes + vocabulary_bytes);
    of_blocks = shared.narrow(0, 0, bytes);
    of_vocabulary = shared.narrow(0, bytes, vocabulary_bytes);
  }
  blocks_ = std::make_unique<BlockStore>(weights, shape, form, device, layout, of_blocks);
  vocabulary_ = std::make_unique<Vocabulary>(weights, shape, compute_type, device, layout, of_vocabulary);
  if (of_blocks.defined()) layout.ranks->barrier();  // until the others have written their parts
  blocks_->hold_whole();
  output_norm_ = weights.whole(output_norm_name).to(device);
  rotary_ = rotary_table(shape.context_length, rope_frequencies(shape), device);
}

std::unique_ptr<Vocabulary> Llama::other_head(const WeightSource& weights) const {
  return std::make_unique<Vocabulary>(weights, shape_, compute_type_, device_, layout_, at::Tensor(),
                                      Vocabulary::Parts::head);
}

TrainedWeights Llama::train_all(const WeightSource& weights) {
  return {*blocks_, *vocabulary_, output_norm_, weights, layout_, device_};
}

void Llama::gather_all() const {
  blocks_->gather_all();
  vocabulary_->gather_all();
}

bool Llama::rows_are_independent(const Adapter& adapter) const {
  if (shape_.head_dim % 2 != 0 || !multiplies_in_panels(device_, compute_type_)) return false;
  const std::vector<FusedLayers>& products = blocks_->description().products;
  return std::all_of(products.begin(), products.end(),
                     [&](const FusedLayers& product) { return fits_panels(product, adapter.config().rank); });
}

void Llama::turn(TokenRows& rows) const {
  const at::Tensor cos = rotary_.cos.index_select(0, rows.positions_T),
                   sin = rotary_.sin.index_select(0, rows.positions_T);
  rows.cos_T1D = at::cat({cos, cos}, -1);
  rows.sin_T1D = at::cat({-sin, sin}, -1);
}

at::Tensor Llama::block(int64_t layer, const at::Tensor& x_TC, const TokenRows& rows, const Adapter* adapter,
                        KvCache* cache, int64_t first_slot) const {
  ensure(cache || rows.count == rows.plan.slots, "without a cache the rows are the whole tree");
  const BlockOfPass here{layer, rows, adapter, cache, first_slot};
  const BlockNorms& norms = shape_.output_norms ? all_norms : input_norms;
  auto norm = [&](std::string_view name, const at::Tensor& in_TC) {
    return name.empty() ? in_TC : normed(in_TC, blocks_->vector(layer, name), compute_type_);
  };
  const at::Tensor a_TC = attention(norm(norms.attention_in, x_TC), here);
  const at::Tensor y_TC = add_residual(x_TC, norm(norms.attention_out, a_TC));
  const at::Tensor f_TC = feed_forward(norm(norms.feed_forward_in, y_TC), here);
  return add_residual(y_TC, norm(norms.feed_forward_out, f_TC));
}

at::Tensor Llama::attention(const at::Tensor& n_TC, const BlockOfPass& here) const {
  const TokenRows& rows = here.rows;
  const AttentionPlan& plan = rows.plan_of(shape_.has_window(here.layer));
  const int64_t heads = shape_.heads, kv_heads = shape_.kv_heads, slots = plan.slots;
  const at::Tensor qkv_TX = queries_keys_values(n_TC, here);
  auto project = [&](const at::Tensor& out_THD) { return linear(out_THD.flatten(1), output_product, here); };
  if (rows.cos_T1D.defined()) {
    const auto [q_THD, kv_SX] = rotate_device(qkv_TX, rows.cos_T1D, rows.sin_T1D, heads, kv_heads);
    return project(device_attention(q_THD, kv_SX.narrow(0, 0, slots), kv_heads, plan, scores_));
  }
  const at::Tensor cos = rotary_.cos.index_select(0, rows.positions_T),
                   sin = rotary_.sin.index_select(0, rows.positions_T);
  auto [q, k, v] = rotate_heads(qkv_TX, cos, sin, heads, kv_heads);
  if (!here.cache)
    return project(tree_attention(q, k.narrow(0, 0, slots), v.narrow(0, 0, slots), plan, scores_));
  here.cache->write(here.layer, here.first_slot, rows.count, k, v);
  return project(tree_attention(q, here.cache->keys(here.layer, slots), here.cache->values(here.layer, slots),
                                plan, scores_));
}

at::Tensor Llama::queries_keys_values(const at::Tensor& n_TC, const BlockOfPass& here) const {
  auto vector = [&](std::string_view name) -> const at::Tensor& { return blocks_->vector(here.layer, name); };
  at::Tensor qkv_TX = linear(n_TC, qkv_product, here);
  if (shape_.qkv_bias) {
    const at::Tensor bias_X = at::cat(
        {vector("self_attn.q_proj.bias"), vector("self_attn.k_proj.bias"), vector("self_attn.v_proj.bias")});
    qkv_TX = qkv_TX + bias_X.to(compute_type_);
  }
  if (!shape_.qk_norm) return qkv_TX;
  return norm_heads(qkv_TX, vector("self_attn.q_norm.weight"), vector("self_attn.k_norm.weight"),
                    shape_.heads, shape_.kv_heads, shape_.norm_epsilon);
}

at::Tensor Llama::feed_forward(const at::Tensor& n_TC, const BlockOfPass& here) const {
  return linear(gated_activation(linear(n_TC, gate_up_product, here), shape_.activation), down_product, here);
}

at::Tensor Llama::linear(const at::Tensor& x_TI, size_t product, const BlockOfPass& here) const {
  return adapted_linear(x_TI, blocks_->at(here.layer).groups[product],
                        here.adapter ? here.adapter->group(here.layer, product) : nullptr,
                        here.rows.part_rows);
}

at::Tensor Llama::normed(const at::Tensor& x_TC, const at::Tensor& weight_C, at::ScalarType type) const {
  return rms_norm(x_TC.to(at::kFloat), shape_.unit_offset ? weight_C + 1 : weight_C, shape_.norm_epsilon,
                  type);
}

at::Tensor Llama::final_norm(const at::Tensor& x_TC) const { return normed(x_TC, output_norm_, at::kFloat); }

at::Tensor Llama::hidden(const TokenRows& rows, const Adapter* adapter, KvCache* cache,
                         int64_t first_slot) const {
  if (cache) cache->reserve(rows.plan.slots);
  at::Tensor x_TC = vocabulary_->embed({rows.ids_T})[0];
  blocks_->walk(Direction::forward, 1,
                [&](int64_t layer, int) { x_TC = block(layer, x_TC, rows, adapter, cache, first_slot); });
  return final_norm(x_TC);
}

}  // namespace apportion
