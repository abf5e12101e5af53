#include "worker/tree/tree_attention.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "shared/base/error.h"
#include "worker/kernels/panel_products.h"
#include "worker/tree/panel_attention.h"

namespace apportion {
namespace {

/// Calls work(slot) for each slot that the node `query` attends to, from itself upwards, as long as work
/// returns true.
template <typename Work>
void for_keys(const TokenTree& tree, int32_t query, int64_t window, Work work) {
  for (int32_t node = query; node != no_node && window > 0; node = tree.parent(node), --window) {
    if (!work(node)) return;
  }
}

/// Slots that the rows [first, last) of `queries` attend to, ascending.
std::vector<int32_t> keys_of_rows(const TokenTree& tree, const std::vector<int32_t>& queries, size_t first,
                                  size_t last, int64_t window, std::vector<int32_t>& seen, int32_t mark) {
  std::vector<int32_t> keys;
  for (size_t row = first; row < last; ++row) {
    for_keys(tree, queries[row], window, [&](int32_t node) {
      // If a node was seen so were all above it, unless a window had ended.
      if (std::exchange(seen[static_cast<size_t>(node)], mark) == mark) return window != no_window;
      keys.push_back(node);
      return true;
    });
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

/// Copies the rows that keys_BU names; its gradient is summed_by_slot.
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
    return {summed_by_slot(wide, saved[0], saved[1], gradients[0].scalar_type()), {}, {}, {}};
  }
};

void keep(torch::autograd::AutogradContext& context, const ScoreRule& rule) {
  context.saved_data["scale"] = rule.scale;
  context.saved_data["cap"] = rule.cap;
}

ScoreRule kept_rule(torch::autograd::AutogradContext& context) {
  return {context.saved_data["scale"].toDouble(), context.saved_data["cap"].toDouble()};
}

/// softmax(scores + mask) v for batches of blocks: q_NRD, k_NUD, v_NUD with N = B * G and R = share * Q,
/// mask_BQU. Scores and softmax are float32 in every compute type; the other products are in the inputs'
/// type. LibTorch's own kernel makes a separate product for each block and head, which are too small to be
/// fast.
struct BlockAttention : torch::autograd::Function<BlockAttention> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& q_NRD,
                            const at::Tensor& k_NUD, const at::Tensor& v_NUD, const at::Tensor& mask_BQU,
                            const ScoreRule& rule) {
    const int64_t blocks = mask_BQU.size(0), block_rows = mask_BQU.size(1), width = mask_BQU.size(2);
    at::Tensor scores_NRU = scaled(q_NRD, k_NUD, rule);
    if (rule.cap > 0) scores_NRU = capped_scores(scores_NRU, {1, rule.cap});
    scores_NRU.view({blocks, -1, block_rows, width}).add_(mask_BQU.unsqueeze(1));
    at::Tensor weights_NRU = at::softmax(scores_NRU, -1).to(q_NRD.scalar_type());
    context->save_for_backward({q_NRD, k_NUD, v_NUD, weights_NRU});
    keep(*context, rule);
    return at::bmm(weights_NRU, v_NUD);
  }

  static at::Tensor scaled(const at::Tensor& q_NRD, const at::Tensor& k_NUD, const ScoreRule& rule) {
    return at::bmm(q_NRD.to(at::kFloat) * rule.scale, k_NUD.to(at::kFloat).transpose(1, 2));
  }

  /// Works in place on d_weights. ATen's own version (_softmax_backward_data) gives some rows different last
  /// bits on two threads than on one.
  static at::Tensor softmax_backward(at::Tensor& d_weights_NRU, const at::Tensor& weights_NRU) {
    const at::Tensor sums_NR1 = (d_weights_NRU * weights_NRU).sum(-1, true);
    return d_weights_NRU.sub_(sums_NR1).mul_(weights_NRU);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    auto saved = context->get_saved_variables();
    const at::Tensor &q_NRD = saved[0], &k_NUD = saved[1], &v_NUD = saved[2], &weights_NRU = saved[3];
    const at::ScalarType type = q_NRD.scalar_type();
    const ScoreRule rule = kept_rule(*context);
    at::Tensor d_out_NRD = gradients[0].contiguous();
    at::Tensor dv_NUD = at::bmm(weights_NRU.transpose(1, 2), d_out_NRD);
    at::Tensor d_weights_NRU = at::bmm(d_out_NRD, v_NUD.transpose(1, 2)).to(at::kFloat);
    at::Tensor d_scores_NRU = softmax_backward(d_weights_NRU, weights_NRU.to(at::kFloat));
    if (rule.cap > 0) d_scores_NRU.mul_(capped_slopes(scaled(q_NRD, k_NUD, rule), {1, rule.cap}));
    d_scores_NRU = d_scores_NRU.mul_(rule.scale).to(type);
    return {at::bmm(d_scores_NRU, k_NUD), at::bmm(d_scores_NRU.transpose(1, 2), q_NRD), dv_NUD, {}, {}};
  }
};

/// Lets an autograd context keep a plan.
struct KeptPlan : torch::CustomClassHolder {
  explicit KeptPlan(const AttentionPlan& kept) : plan(kept) {}
  AttentionPlan plan;
};

/// tree_attention() computed by panel_attention.h.
struct PanelAttention : torch::autograd::Function<PanelAttention> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& q_THD,
                            const at::Tensor& k_SGD, const at::Tensor& v_SGD, const AttentionPlan& plan,
                            const ScoreRule& rule) {
    const at::Tensor q = q_THD.contiguous(), k = k_SGD.contiguous(), v = v_SGD.contiguous();
    AttentionForward result = panel_attention(q, k, v, plan, rule);
    keep(*context, rule);
    context->save_for_backward({q, k, v, result.weights_NRU});
    context->saved_data["plan"] = c10::IValue::make_capsule(c10::make_intrusive<KeptPlan>(plan));
    return result.out_THD;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    auto saved = context->get_saved_variables();
    const auto kept = c10::static_intrusive_pointer_cast<KeptPlan>(context->saved_data["plan"].toCapsule());
    AttentionGradients found = panel_attention_backward(gradients[0].contiguous(), saved[0], saved[1],
                                                        saved[2], saved[3], kept->plan, kept_rule(*context));
    return {found.dq_THD, found.dk_SGD, found.dv_SGD, {}, {}};
  }
};

/// Writes a plan block by block: its keys, the mask of its rows, and who uses each slot.
class PlanWriter {
 public:
  PlanWriter(const TokenTree& tree, const std::vector<int32_t>& queries, int64_t window, AttentionPlan& plan,
             int64_t blocks, int64_t width)
      : tree_(tree),
        queries_(queries),
        window_(window),
        plan_(plan),
        users_(static_cast<size_t>(tree.size())) {
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
      for_keys(tree_, queries_[query], window_, [&](int32_t node) {
        mask[std::lower_bound(keys.begin(), keys.end(), node) - keys.begin()] = 0;
        ++plan_.pairs;
        return true;
      });
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
  const int64_t window_;
  AttentionPlan& plan_;
  std::vector<std::vector<int64_t>> users_;
};

/// Adds the users of the slots of `part`, which takes `rows` slots in a joined plan of width `width`,
/// starting at block `first_block`.
void add_users(const AttentionPlan& part, int64_t rows, int64_t first_block, int64_t width,
               std::vector<int64_t>& users, std::vector<int64_t>& offsets) {
  const int64_t own_width = part.keys_BU.size(1), own_slots = part.user_offsets.numel();
  const auto *own_users = part.users.const_data_ptr<int64_t>(),
             *own_offsets = part.user_offsets.const_data_ptr<int64_t>();
  for (int64_t slot = 0; slot < rows; ++slot) {
    offsets.push_back(static_cast<int64_t>(users.size()));
    if (slot >= own_slots) continue;
    const int64_t last = slot + 1 < own_slots ? own_offsets[slot + 1] : part.users.numel();
    for (int64_t u = own_offsets[slot]; u < last; ++u)
      users.push_back((first_block + own_users[u] / own_width) * width + own_users[u] % own_width);
  }
}

}  // namespace

at::Tensor AttentionSizes::by_block(const at::Tensor& q_THD) const {
  return q_THD.reshape({blocks, rows, groups, share, head_dim})
      .permute({0, 2, 3, 1, 4})
      .reshape({blocks * groups, share * rows, head_dim});
}

at::Tensor AttentionSizes::by_row(const at::Tensor& q_NRD) const {
  return q_NRD.view({blocks, groups, share, rows, head_dim})
      .permute({0, 3, 1, 2, 4})
      .reshape({blocks * rows, groups * share, head_dim});
}

AttentionSizes sizes_of(const at::Tensor& q_THD, int64_t kv_heads, const AttentionPlan& plan) {
  return {plan.keys_BU.size(0),     plan.block_rows, plan.keys_BU.size(1), kv_heads,
          q_THD.size(1) / kv_heads, q_THD.size(2)};
}

at::Tensor summed_by_slot(const at::Tensor& rows_UX, const at::Tensor& users, const at::Tensor& user_offsets,
                          at::ScalarType type) {
  return std::get<0>(at::embedding_bag(rows_UX, users, user_offsets)).to(type);
}

AttentionPlan plan_attention(const TokenTree& tree, const std::vector<int32_t>& queries, int64_t block_rows,
                             int64_t window) {
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
    own = keys_of_rows(tree, queries, first, last, window, seen, static_cast<int32_t>(block));
    most = std::max(most, own.size());
  }
  PlanWriter writer(tree, queries, window, plan, blocks, static_cast<int64_t>(most));
  for (int64_t block = 0; block < blocks; ++block) writer.write(block, keys[static_cast<size_t>(block)]);
  writer.finish();
  return plan;
}

AttentionPlan join_plans(const std::vector<const AttentionPlan*>& parts, int64_t rows_each) {
  AttentionPlan joined;
  joined.block_rows = parts[0]->block_rows;
  int64_t width = 0;
  for (const AttentionPlan* part : parts) width = std::max(width, part->keys_BU.size(1));
  constexpr float masked = -std::numeric_limits<float>::infinity();
  std::vector<at::Tensor> keys, masks;
  std::vector<int64_t> users, offsets;
  for (const AttentionPlan* part : parts) {
    const int64_t rows = std::max(rows_each, part->rows), blocks = part->keys_BU.size(0);
    const int64_t more = width - part->keys_BU.size(1), more_blocks = rows / joined.block_rows - blocks;
    keys.push_back(at::constant_pad_nd(part->keys_BU, {0, more, 0, more_blocks}) + joined.rows);
    masks.push_back(at::constant_pad_nd(part->mask_BQU, {0, more, 0, 0, 0, more_blocks}, masked));
    masks.back().narrow(0, blocks, more_blocks).select(2, 0).zero_();  // padding rows read one key, too
    joined.key_counts.insert(joined.key_counts.end(), part->key_counts.begin(), part->key_counts.end());
    joined.key_counts.insert(joined.key_counts.end(), static_cast<size_t>(more_blocks), 1);
    if (rows_each > 0) add_users(*part, rows, joined.rows / joined.block_rows, width, users, offsets);
    joined.rows += rows;
    joined.pairs += part->pairs;
  }
  joined.slots = joined.rows;
  joined.keys_BU = at::cat(keys);
  joined.mask_BQU = at::cat(masks);
  if (rows_each > 0) {
    joined.users = at::tensor(users, at::kLong);
    joined.user_offsets = at::tensor(offsets, at::kLong);
  }
  return joined;
}

ScoreRule plain_scores(int64_t head_dim) { return {1 / std::sqrt(static_cast<double>(head_dim))}; }

at::Tensor capped_scores(const at::Tensor& products, const ScoreRule& rule) {
  return products.mul_(rule.scale / rule.cap).tanh_().mul_(rule.cap);
}

at::Tensor capped_slopes(const at::Tensor& products, const ScoreRule& rule) {
  return products.mul_(rule.scale / rule.cap).tanh_().square_().neg_().add_(1);
}

at::Tensor tree_attention(const at::Tensor& q_THD, const at::Tensor& k_SGD, const at::Tensor& v_SGD,
                          const AttentionPlan& plan, const ScoreRule& rule) {
  const AttentionSizes sizes = sizes_of(q_THD, k_SGD.size(1), plan);
  if (sizes.head_dim % 2 == 0 && sizes.rows % 2 == 0 &&
      multiplies_in_panels(q_THD.device(), q_THD.scalar_type()))
    return PanelAttention::apply(q_THD, k_SGD, v_SGD, plan, rule);
  at::Tensor keys = plan.keys_BU.flatten();
  auto gather = [&](const at::Tensor& rows_SGD) {
    at::Tensor rows_SX = rows_SGD.reshape({rows_SGD.size(0), sizes.groups * sizes.head_dim});
    return GatherRows::apply(rows_SX, keys, plan.users, plan.user_offsets)
        .view({sizes.blocks, sizes.width, sizes.groups, sizes.head_dim})
        .transpose(1, 2)
        .reshape({sizes.blocks * sizes.groups, sizes.width, sizes.head_dim});
  };
  return sizes.by_row(
      BlockAttention::apply(sizes.by_block(q_THD), gather(k_SGD), gather(v_SGD), plan.mask_BQU, rule));
}

}  // namespace apportion
