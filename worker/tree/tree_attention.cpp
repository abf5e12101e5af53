#include "worker/tree/tree_attention.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <limits>

#include "shared/base/error.h"

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

}  // namespace

AttentionPlan plan_attention(const TokenTree& tree, const std::vector<int32_t>& queries, at::Device device) {
  ensure(!queries.empty(), "attention has at least one query");
  const auto count = static_cast<int64_t>(queries.size());
  AttentionPlan plan;
  plan.rows = padded_rows(count);
  plan.slots = tree.size();
  const int64_t blocks = plan.rows / block_rows;

  std::vector<int32_t> seen(static_cast<size_t>(tree.size()), -1);
  std::vector<std::vector<int32_t>> keys(static_cast<size_t>(blocks));
  size_t most = 0;
  for (int64_t block = 0; block < blocks; ++block) {
    auto first = static_cast<size_t>(block * block_rows);
    auto last = static_cast<size_t>(std::min<int64_t>((block + 1) * block_rows, count));
    auto& own = keys[static_cast<size_t>(block)];
    own = keys_of_rows(tree, queries, first, last, seen, static_cast<int32_t>(block));
    most = std::max(most, own.size());
  }

  const auto width = static_cast<int64_t>(most);
  at::Tensor keys_BU = at::empty({blocks, width}, at::kLong);
  at::Tensor mask_BQU =
      at::full({blocks, block_rows, width}, -std::numeric_limits<float>::infinity(), at::kFloat);
  auto* key_out = keys_BU.data_ptr<int64_t>();
  auto* mask_out = mask_BQU.data_ptr<float>();
  std::vector<std::vector<int64_t>> users(static_cast<size_t>(tree.size()));
  for (int64_t block = 0; block < blocks; ++block) {
    const auto& own = keys[static_cast<size_t>(block)];
    for (int64_t u = 0; u < width; ++u) {
      bool real = u < static_cast<int64_t>(own.size());
      int32_t slot = own[real ? static_cast<size_t>(u) : 0];
      key_out[block * width + u] = slot;
      if (real) users[static_cast<size_t>(slot)].push_back(block * width + u);
    }
    for (int64_t row = 0; row < block_rows; ++row) {
      float* mask = mask_out + (block * block_rows + row) * width;
      int64_t query = block * block_rows + row;
      if (query >= count) {
        mask[0] = 0;
        continue;
      }
      for (int32_t node = queries[static_cast<size_t>(query)]; node != no_node; node = tree.parent(node)) {
        mask[std::lower_bound(own.begin(), own.end(), node) - own.begin()] = 0;
        ++plan.pairs;
      }
    }
  }

  std::vector<int64_t> flat, offsets;
  for (const auto& list : users) {
    offsets.push_back(static_cast<int64_t>(flat.size()));
    flat.insert(flat.end(), list.begin(), list.end());
  }
  plan.keys_BU = keys_BU.to(device);
  plan.mask_BQU = mask_BQU.to(device);
  plan.users = at::tensor(flat, at::kLong).to(device);
  plan.user_offsets = at::tensor(offsets, at::kLong).to(device);
  return plan;
}

at::Tensor tree_attention(const at::Tensor& q_THD, const at::Tensor& k_SGD, const at::Tensor& v_SGD,
                          const AttentionPlan& plan) {
  const int64_t heads = q_THD.size(1), head_dim = q_THD.size(2), kv_heads = k_SGD.size(1);
  const int64_t share = heads / kv_heads;  // query heads that read one key/value head
  const int64_t blocks = plan.keys_BU.size(0), width = plan.keys_BU.size(1);
  at::Tensor keys = plan.keys_BU.flatten();
  auto gather = [&](const at::Tensor& rows_SGD) {
    at::Tensor rows_SX = rows_SGD.reshape({rows_SGD.size(0), kv_heads * head_dim});
    return GatherRows::apply(rows_SX, keys, plan.users, plan.user_offsets)
        .view({blocks, width, kv_heads, head_dim})
        .transpose(1, 2);
  };
  // Query heads that share a key head are stacked as further rows: [B, G, share * Q, D].
  at::Tensor q = q_THD.reshape({blocks, block_rows, kv_heads, share, head_dim})
                     .permute({0, 2, 3, 1, 4})
                     .reshape({blocks, kv_heads, share * block_rows, head_dim});
  at::Tensor mask = plan.mask_BQU.to(q.scalar_type()).unsqueeze(1).repeat({1, 1, share, 1});
  at::Tensor out = at::scaled_dot_product_attention(q, gather(k_SGD), gather(v_SGD), mask);
  return out.reshape({blocks, kv_heads, share, block_rows, head_dim})
      .permute({0, 3, 1, 2, 4})
      .reshape({blocks * block_rows, heads, head_dim});
}

}  // namespace apportion
