#include "worker/tree/device_attention.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "worker/kernels/float_products.h"

namespace apportion {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// The sizes as a list that an autograd context can keep.
std::vector<int64_t> list_of(const AttentionSizes& sizes) {
  return {sizes.blocks, sizes.rows, sizes.width, sizes.groups, sizes.share, sizes.head_dim};
}

struct DeviceAttention : torch::autograd::Function<DeviceAttention> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q_THD, const at::Tensor& kv_SX,
                            const AttentionPlan& plan, const AttentionSizes& sizes, const ScoreRule& rule) {
    const at::Tensor q_NRD = sizes.by_block(q_THD);
    const at::Tensor kv_2NUD = kv_SX.index_select(0, plan.keys_BU.flatten())
                                   .view({sizes.blocks, sizes.width, 2, sizes.groups, sizes.head_dim})
                                   .permute({2, 0, 3, 1, 4})
                                   .reshape({2, sizes.blocks * sizes.groups, sizes.width, sizes.head_dim});
    at::Tensor scores_NRU = float_products(q_NRD, kv_2NUD[0].transpose(1, 2));
    if (rule.cap > 0) scores_NRU = capped_scores(scores_NRU, rule);
    const at::Tensor masked =
        at::add(plan.mask_BQU.unsqueeze(1), scores_NRU.view({sizes.blocks, -1, sizes.rows, sizes.width}),
                rule.cap > 0 ? 1 : rule.scale);
    const at::Tensor weights_NRU = at::softmax(masked, -1).to(q_NRD.scalar_type()).view(scores_NRU.sizes());
    context->save_for_backward({q_NRD, kv_2NUD, weights_NRU, plan.users, plan.user_offsets});
    context->saved_data["sizes"] = list_of(sizes);
    context->saved_data["scale"] = rule.scale;
    context->saved_data["cap"] = rule.cap;
    return sizes.by_row(at::bmm(weights_NRU, kv_2NUD[1]));
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &q_NRD = saved[0], &kv_2NUD = saved[1], &weights_NRU = saved[2];
    const std::vector<int64_t> list = context->saved_data["sizes"].toIntVector();
    const AttentionSizes sizes{list[0], list[1], list[2], list[3], list[4], list[5]};
    const at::Tensor d_out_NRD = sizes.by_block(gradients[0]);
    const at::Tensor d_kv_2NUD = at::empty_like(kv_2NUD);
    at::Tensor dk_NUD = d_kv_2NUD[0], dv_NUD = d_kv_2NUD[1];
    at::bmm_out(dv_NUD, weights_NRU.transpose(1, 2), d_out_NRD);
    const at::Tensor d_weights_NRU = float_products(d_out_NRD, kv_2NUD[1].transpose(1, 2));
    const ScoreRule rule{context->saved_data["scale"].toDouble(), context->saved_data["cap"].toDouble()};
    at::Tensor d_scores_NRU =
        at::_softmax_backward_data(d_weights_NRU, weights_NRU.to(at::kFloat), -1, at::kFloat);
    if (rule.cap > 0)
      d_scores_NRU.mul_(capped_slopes(float_products(q_NRD, kv_2NUD[0].transpose(1, 2)), rule));
    d_scores_NRU = d_scores_NRU.to(q_NRD.scalar_type());
    at::baddbmm_out(dk_NUD, dk_NUD, d_scores_NRU.transpose(1, 2), q_NRD, 0, rule.scale);
    const at::Tensor dq_NRD = at::baddbmm(q_NRD, d_scores_NRU, kv_2NUD[0], 0, rule.scale);
    return {sizes.by_row(dq_NRD), d_slots(d_kv_2NUD, sizes, saved[3], saved[4]), {}, {}, {}};
  }

  /// The gradient of kv_SX.
  static at::Tensor d_slots(const at::Tensor& d_kv_2NUD, const AttentionSizes& sizes, const at::Tensor& users,
                            const at::Tensor& user_offsets) {
    const at::Tensor rows = at::empty({sizes.blocks * sizes.width, 2 * sizes.groups * sizes.head_dim},
                                      d_kv_2NUD.options().dtype(at::kFloat));
    rows.view({sizes.blocks, sizes.width, 2, sizes.groups, sizes.head_dim})
        .copy_(d_kv_2NUD.view({2, sizes.blocks, sizes.groups, sizes.width, sizes.head_dim})
                   .permute({1, 3, 0, 2, 4}));
    return summed_by_slot(rows, users, user_offsets, d_kv_2NUD.scalar_type());
  }
};

}  // namespace

at::Tensor device_attention(const at::Tensor& q_THD, const at::Tensor& kv_SX, int64_t kv_heads,
                            const AttentionPlan& plan, const ScoreRule& rule) {
  return DeviceAttention::apply(q_THD, kv_SX, plan, sizes_of(q_THD, kv_heads, plan), rule);
}

}  // namespace apportion
