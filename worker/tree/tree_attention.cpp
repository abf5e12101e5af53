#include "worker/tree/tree_attention.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "shared/base/error.h"
#include "worker/kernels/panel_products.h"
#include "worker/tree/panel_attention.h"

namespace apportion {
namespace {

/// Slots that the rows [first, last) of `queries` descend from, themselves included, ascending.
std::vector<int32_t> keys_of_rows(const TokenTree& tree, const std::vector<int32_t>& queries, size_t first,
                                  size_t last, std::vector<int32_t>& seen, int32_t mark) {
  std::vector<int32_t> keys;
  for (size_t row = first; row < last; ++row) {
    for (int32_t node = queries[row]; node != no_node && seen[static_cast<size_t>(node)] != mark;
         node = tree.parent(node)) {
      seen[static_cast<size_t>(node)] = mark;
      keys.push_back(node);
    }
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

/// Copies the rows that keys_BU names; its gradient is summed per slot along plan's list of users, in order,
/// without atomic adds (an embedding bag is such a sum).
struct GatherRows : torch::autograd::Function<GatherRows> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& rows_SX,
                            const at::Tensor& keys, const at::Tensor& users, const at::Tensor& user_offsets) {
    context->save_for_backward({users, user_offsets});
    return rows_SX.index_select(0, keys);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    auto saved = context->get_saved_variables();
    at::Tensor wide = gradients[0].to(at::kFloat).contiguous();
    at::Tensor summed = std::get<0>(at::embedding_bag(wide, saved[0], saved[1]));
    return {summed.to(gradients[0].scalar_type()), {}, {}, {}};
  }
};

/// softmax(q k^T / sqrt(D) + mask) v for batches of blocks: q_NRD, k_NUD, v_NUD with N = B * G and R = share
/// * Q, mask_BQU. Scores and softmax are float32 in every compute type; the other products are of the inputs'
/// type. LibTorch's own kernel makes a product of its own for each block and head, which are too small to be
/// fast.
struct BlockAttention : torch::autograd::Function<BlockAttention> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& q_NRD,
                            const at::Tensor& k_NUD, const at::Tensor& v_NUD, const at::Tensor& mask_BQU) {
    const int64_t blocks = mask_BQU.size(0), block_rows = mask_BQU.size(1), width = mask_BQU.size(2);
    const double scale = 1 / std::sqrt(static_cast<double>(q_NRD.size(2)));
    at::Tensor scores_NRU = at::bmm(q_NRD.to(at::kFloat) * scale, k_NUD.to(at::kFloat).transpose(1, 2));
    scores_NRU.view({blocks, -1, block_rows, width}).add_(mask_BQU.unsqueeze(1));
    at::Tensor weights_NRU = at::softmax(scores_NRU, -1).to(q_NRD.scalar_type());
    context->save_for_backward({q_NRD, k_NUD, v_NUD, weights_NRU});
    context->saved_data["scale"] = scale;
    return at::bmm(weights_NRU, v_NUD);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    auto saved = context->get_saved_variables();
    const at::Tensor &q_NRD = saved[0], &k_NUD = saved[1], &v_NUD = saved[2], &weights_NRU = saved[3];
    const at::ScalarType type = q_NRD.scalar_type();
    const double scale = context->saved_data["scale"].toDouble();
    at::Tensor d_out_NRD = gradients[0].contiguous();
    at::Tensor dv_NUD = at::bmm(weights_NRU.transpose(1, 2), d_out_NRD);
    at::Tensor d_weights_NRU = at::bmm(d_out_NRD, v_NUD.transpose(1, 2)).to(at::kFloat);
    at::Tensor d_scores_NRU =
        at::_softmax_backward_data(d_weights_NRU, weights_NRU.to(at::kFloat), -1, at::kFloat)
            .mul_(scale)
            .to(type);
    return {at::bmm(d_scores_NRU, k_NUD), at::bmm(d_scores_NRU.transpose(1, 2), q_NRD), dv_NUD, {}};
  }
};

/// A plan in an autograd context.
struct KeptPlan : torch::CustomClassHolder {
  explicit KeptPlan(const AttentionPlan& kept) : plan(kept) {}
  AttentionPlan plan;
};

/// tree_attention() by panel_attention.h.
struct PanelAttention : torch::autograd::Function<PanelAttention> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& q_THD,
                            const at::Tensor& k_SGD, const at::Tensor& v_SGD, const AttentionPlan& plan) {
    const at::Tensor q = q_THD.contiguous(), k = k_SGD.contiguous(), v = v_SGD.contiguous();
    AttentionForward result = panel_attention(q, k, v, plan);
    context->save_for_backward({q, k, v, result.weights_NRU});
    context->saved_data["plan"] = c10::IValue::make_capsule(c10::make_intrusive<KeptPlan>(plan));
    return result.out_THD;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    auto saved = context->get_saved_variables();
    const auto kept = c10::static_intrusive_pointer_cast<KeptPlan>(context->saved_data["plan"].toCapsule());
    AttentionGradients found = panel_attention_backward(gradients[0].contiguous(), saved[0], saved[1],
                                                        saved[2], saved[3], kept->plan);
    return {found.dq_THD, found.dk_SGD, found.dv_SGD, {}};
  }
};

/// Writes block `block` of the plan: its keys, the mask of its rows, and who uses each slot.
class PlanWriter {
 public:
  PlanWriter(const TokenTree& tree, const std::vector<int32_t>& queries, AttentionPlan& plan, int64_t blocks,
             int64_t width)
      : tree_(tree), queries_(queries), plan_(plan), users_(static_cast<size_t>(tree.size())) {
    plan.keys_BU = at::empty({blocks, width}, at::kLong);
    plan.mask_BQU =
        at::full({blocks, plan.block_rows, width}, -std::numeric_limits<float>::infinity(), at::kFloat);
  }

  void write(int64_t block, const std::vector<int32_t>& keys) {
    const int64_t width = plan_.keys_BU.size(1);
    auto* key_out = plan_.keys_BU.data_ptr<int64_t>() + block * width;
    for (int64_t u = 0; u < width; ++u) {
      const bool real = u < static_cast<int64_t>(keys.size());
      key_out[u] = keys.empty() ? queries_[0] : keys[real ? static_cast<size_t>(u) : 0];
      if (real) users_[static_cast<size_t>(key_out[u])].push_back(block * width + u);
    }
    plan_.key_counts.push_back(std::max<int64_t>(1, static_cast<int64_t>(keys.size())));
    for (int64_t row = 0; row < plan_.block_rows; ++row) {
      float* mask = plan_.mask_BQU.data_ptr<float>() + (block * plan_.block_rows + row) * width;
      const auto query = static_cast<size_t>(block * plan_.block_rows + row);
      if (query >= queries_.size()) {
        mask[0] = 0;
        continue;
      }
      for (int32_t node = queries_[query]; node != no_node; node = tree_.parent(node)) {
        mask[std::lower_bound(keys.begin(), keys.end(), node) - keys.begin()] = 0;
        ++plan_.pairs;
      }
    }
  }

  void finish() {
    std::vector<int64_t> flat, offsets;
    for (const auto& list : users_) {
      offsets.push_back(static_cast<int64_t>(flat.size()));
      flat.insert(flat.end(), list.begin(), list.end());
    }
    plan_.users = at::tensor(flat, at::kLong);
    plan_.user_offsets = at::tensor(offsets, at::kLong);
  }

 private:
  const TokenTree& tree_;
  const std::vector<int32_t>& queries_;
  AttentionPlan& plan_;
  std::vector<std::vector<int64_t>> users_;
};

}  // namespace

AttentionPlan plan_attention(const TokenTree& tree, const std::vector<int32_t>& queries, int64_t block_rows) {
  ensure(!queries.empty() && row_multiple % block_rows == 0,
         "attention has queries, in blocks that fill the rows");
  const auto count = static_cast<int64_t>(queries.size());
  AttentionPlan plan;
  plan.rows = padded_rows(count);
  plan.block_rows = block_rows;
  plan.slots = tree.size();
  const int64_t blocks = plan.rows / block_rows;

  std::vector<int32_t> seen(static_cast<size_t>(tree.size()), -1);
  std::vector<std::vector<int32_t>> keys(static_cast<size_t>(blocks));
  size_t most = 1;
  for (int64_t block = 0; block < blocks; ++block) {
    const auto first = static_cast<size_t>(std::min(block * block_rows, count));
    const auto last = static_cast<size_t>(std::min((block + 1) * block_rows, count));
    auto& own = keys[static_cast<size_t>(block)];
    own = keys_of_rows(tree, queries, first, last, seen, static_cast<int32_t>(block));
    most = std::max(most, own.size());
  }
  PlanWriter writer(tree, queries, plan, blocks, static_cast<int64_t>(most));
  for (int64_t block = 0; block < blocks; ++block) writer.write(block, keys[static_cast<size_t>(block)]);
  writer.finish();
  return plan;
}

AttentionPlan join_plans(const std::vector<const AttentionPlan*>& parts) {
  AttentionPlan joined;
  joined.block_rows = parts[0]->block_rows;
  int64_t width = 0;
  for (const AttentionPlan* part : parts) width = std::max(width, part->keys_BU.size(1));
  std::vector<at::Tensor> keys, masks;
  for (const AttentionPlan* part : parts) {
    const int64_t more = width - part->keys_BU.size(1);
    keys.push_back(at::constant_pad_nd(part->keys_BU, {0, more}) + joined.rows);
    masks.push_back(at::constant_pad_nd(part->mask_BQU, {0, more}, -std::numeric_limits<float>::infinity()));
    joined.key_counts.insert(joined.key_counts.end(), part->key_counts.begin(), part->key_counts.end());
    joined.rows += part->rows;
    joined.pairs += part->pairs;
  }
  joined.slots = joined.rows;
  joined.keys_BU = at::cat(keys);
  joined.mask_BQU = at::cat(masks);
  return joined;
}

AttentionPlan join_plans_equal(const std::vector<const AttentionPlan*>& parts, int64_t rows) {
  AttentionPlan joined;
  const int64_t block_rows = joined.block_rows = parts[0]->block_rows, blocks = rows / block_rows;
  int64_t width = 0;
  for (const AttentionPlan* part : parts) width = std::max(width, part->keys_BU.size(1));
  const auto count = static_cast<int64_t>(parts.size());
  joined.rows = joined.slots = count * rows;
  joined.keys_BU = at::empty({count * blocks, width}, at::kLong);
  joined.mask_BQU = at::full({count * blocks, block_rows, width}, -std::numeric_limits<float>::infinity());
  std::vector<int64_t> users, offsets;
  for (int64_t p = 0; p < count; ++p) {
    const AttentionPlan& part = *parts[static_cast<size_t>(p)];
    const int64_t own_blocks = part.keys_BU.size(0), own_width = part.keys_BU.size(1);
    at::Tensor keys = joined.keys_BU.narrow(0, p * blocks, blocks),
               mask = joined.mask_BQU.narrow(0, p * blocks, blocks);
    keys.fill_(p * rows);  // what is filled up reads a row of the same part
    keys.narrow(0, 0, own_blocks).narrow(1, 0, own_width).copy_(part.keys_BU + p * rows);
    mask.narrow(0, 0, own_blocks).narrow(2, 0, own_width).copy_(part.mask_BQU);
    mask.narrow(0, own_blocks, blocks - own_blocks).select(2, 0).zero_();
    joined.key_counts.insert(joined.key_counts.end(), part.key_counts.begin(), part.key_counts.end());
    joined.key_counts.resize(static_cast<size_t>((p + 1) * blocks), 1);
    joined.pairs += part.pairs;
    const auto *own_users = part.users.const_data_ptr<int64_t>(),
               *own_offsets = part.user_offsets.const_data_ptr<int64_t>();
    for (int64_t slot = 0; slot < rows; ++slot) {
      offsets.push_back(static_cast<int64_t>(users.size()));
      if (slot >= part.user_offsets.numel()) continue;
      const int64_t last = slot + 1 < part.user_offsets.numel() ? own_offsets[slot + 1] : part.users.numel();
      for (int64_t u = own_offsets[slot]; u < last; ++u) {
        const int64_t block = p * blocks + own_users[u] / own_width;
        users.push_back(block * width + own_users[u] % own_width);
      }
    }
  }
  joined.users = at::tensor(users, at::kLong);
  joined.user_offsets = at::tensor(offsets, at::kLong);
  return joined;
}

at::Tensor tree_attention(const at::Tensor& q_THD, const at::Tensor& k_SGD, const at::Tensor& v_SGD,
                          const AttentionPlan& plan) {
  const int64_t heads = q_THD.size(1), head_dim = q_THD.size(2), kv_heads = k_SGD.size(1);
  const int64_t share = heads / kv_heads;  // query heads that read one key/value head
  const int64_t blocks = plan.keys_BU.size(0), width = plan.keys_BU.size(1), block_rows = plan.block_rows;
  if (head_dim % 2 == 0 && block_rows % 2 == 0 && multiplies_in_panels(q_THD.device(), q_THD.scalar_type()))
    return PanelAttention::apply(q_THD, k_SGD, v_SGD, plan);
  at::Tensor keys = plan.keys_BU.flatten();
  auto gather = [&](const at::Tensor& rows_SGD) {
    at::Tensor rows_SX = rows_SGD.reshape({rows_SGD.size(0), kv_heads * head_dim});
    return GatherRows::apply(rows_SX, keys, plan.users, plan.user_offsets)
        .view({blocks, width, kv_heads, head_dim})
        .transpose(1, 2)
        .reshape({blocks * kv_heads, width, head_dim});
  };
  // Query heads that share a key head are stacked as further rows: [B * G, share * Q, D].
  at::Tensor q_NRD = q_THD.reshape({blocks, block_rows, kv_heads, share, head_dim})
                         .permute({0, 2, 3, 1, 4})
                         .reshape({blocks * kv_heads, share * block_rows, head_dim});
  at::Tensor out_NRD = BlockAttention::apply(q_NRD, gather(k_SGD), gather(v_SGD), plan.mask_BQU);
  return out_NRD.view({blocks, kv_heads, share, block_rows, head_dim})
      .permute({0, 3, 1, 2, 4})
      .reshape({blocks * block_rows, heads, head_dim});
}

}  // namespace apportion
