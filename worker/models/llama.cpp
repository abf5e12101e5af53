#include "worker/models/llama.h"

#include <ATen/ATen.h>

#include "shared/base/error.h"

namespace apportion {

TokenRows token_rows(const TokenTree& tree, const std::vector<int32_t>& queries, int64_t block_rows,
                     int64_t context_length, at::Device device) {
  TokenRows rows;
  rows.count = static_cast<int64_t>(queries.size());
  rows.plan = plan_attention(tree, queries, block_rows, device);
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
  rows.ids_T = at::tensor(ids, at::kLong).to(device);
  rows.positions_T = at::tensor(positions, at::kLong).to(device);
  return rows;
}

Llama::Llama(const WeightSource& weights, const ModelShape& shape, at::ScalarType compute_type,
             at::Device device)
    : shape_(shape), compute_type_(compute_type), device_(device) {
  embedding_ = weights.whole("token_embd.weight").to(device);
  head_ = shape.tied_embedding ? embedding_ : weights.whole("output.weight").to(device);
  head_compute_ = head_.to(compute_type);
  output_norm_ = weights.whole("output_norm.weight").to(device);
  for (int64_t layer = 0; layer < shape.layers; ++layer) blocks_.push_back(load_block(weights, layer));
  rotary_ = rotary_table(shape.context_length, shape.head_dim, shape.rope_theta, device);
}

Llama::Block Llama::load_block(const WeightSource& source, int64_t layer) const {
  auto load = [&](const char* name) {
    return source.whole("blk." + std::to_string(layer) + "." + name + ".weight");
  };
  const std::vector<at::Tensor> weights = {at::cat({load("attn_q"), load("attn_k"), load("attn_v")}),
                                           load("attn_output"), at::cat({load("ffn_gate"), load("ffn_up")}),
                                           load("ffn_down")};
  Block block;
  block.attention_norm = load("attn_norm").to(device_);
  block.ffn_norm = load("ffn_norm").to(device_);
  const auto parts = block_groups(shape_);
  for (size_t g = 0; g < parts.size(); ++g) {
    block.groups.push_back({weights[g].to(compute_type_).to(device_), parts[g]});
  }
  return block;
}

at::Tensor Llama::attention(const at::Tensor& n_TC, int64_t layer, const TokenRows& rows,
                            const at::Tensor& cos, const at::Tensor& sin, const Adapter* adapter,
                            KvCache* cache, int64_t first_slot) const {
  const int64_t heads = shape_.heads, kv_heads = shape_.kv_heads, head_dim = shape_.head_dim;
  const Block& block = blocks_[static_cast<size_t>(layer)];
  at::Tensor qkv = adapted_linear(n_TC, block.groups[0], adapter ? adapter->group(layer, 0) : nullptr);
  auto parts = qkv.view({rows.plan.rows, heads + 2 * kv_heads, head_dim})
                   .split_with_sizes({heads + kv_heads, kv_heads}, 1);
  auto qk = rotate(parts[0], cos, sin).split_with_sizes({heads, kv_heads}, 1);
  at::Tensor k = qk[1], v = parts[1];
  if (cache) {
    cache->write(layer, first_slot, rows.count, k, v);
    k = cache->keys(layer, rows.plan.slots);
    v = cache->values(layer, rows.plan.slots);
  } else {
    k = k.narrow(0, 0, rows.plan.slots);
    v = v.narrow(0, 0, rows.plan.slots);
  }
  at::Tensor out_THD = tree_attention(qk[0], k, v, rows.plan);
  return adapted_linear(out_THD.reshape({rows.plan.rows, heads * head_dim}), block.groups[1],
                        adapter ? adapter->group(layer, 1) : nullptr);
}

at::Tensor Llama::hidden(const TokenRows& rows, const Adapter* adapter, KvCache* cache,
                         int64_t first_slot) const {
  ensure(cache || rows.count == rows.plan.slots, "without a cache the rows are the whole tree");
  if (cache) cache->reserve(rows.plan.slots);
  at::Tensor cos = rotary_.cos.index_select(0, rows.positions_T);
  at::Tensor sin = rotary_.sin.index_select(0, rows.positions_T);
  at::Tensor x_TC = embedding_.index_select(0, rows.ids_T);
  for (int64_t layer = 0; layer < shape_.layers; ++layer) {
    const Block& block = blocks_[static_cast<size_t>(layer)];
    auto lora = [&](size_t group) { return adapter ? adapter->group(layer, group) : nullptr; };
    at::Tensor n_TC = rms_norm(x_TC, block.attention_norm, shape_.norm_epsilon, compute_type_);
    x_TC = x_TC + attention(n_TC, layer, rows, cos, sin, adapter, cache, first_slot);
    n_TC = rms_norm(x_TC, block.ffn_norm, shape_.norm_epsilon, compute_type_);
    at::Tensor inner_TF = gated_activation(adapted_linear(n_TC, block.groups[2], lora(2)));
    x_TC = x_TC + adapted_linear(inner_TF, block.groups[3], lora(3));
  }
  return rms_norm(x_TC, output_norm_, shape_.norm_epsilon, at::kFloat);
}

}  // namespace apportion
