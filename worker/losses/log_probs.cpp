#include "worker/losses/log_probs.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

namespace apportion {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct EdgeLogProbs : torch::autograd::Function<EdgeLogProbs> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& hidden_RC, const at::Tensor& row_E,
                            const at::Tensor& token_E, const Llama* model) {
    at::Tensor log_probs_RV = logits_of(*model, hidden_RC).log_softmax(-1);
    context->save_for_backward({log_probs_RV, row_E, token_E});
    context->saved_data["model"] = reinterpret_cast<int64_t>(model);
    at::Tensor flat = row_E * log_probs_RV.size(1) + token_E;
    return log_probs_RV.flatten().index_select(0, flat);
  }

  // d log softmax: for edge e the one-hot of its token minus the softmax of its row.
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    auto saved = context->get_saved_variables();
    const at::Tensor &log_probs_RV = saved[0], &row_E = saved[1], &token_E = saved[2];
    const auto* model = reinterpret_cast<const Llama*>(context->saved_data["model"].toInt());
    const int64_t rows = log_probs_RV.size(0);
    at::Tensor sum_R = at::zeros({rows}, gradients[0].options()).index_add_(0, row_E, gradients[0]);
    at::Tensor d_logits_RV = log_probs_RV.exp().mul_(sum_R.neg().unsqueeze(1));
    d_logits_RV.index_put_({row_E, token_E}, gradients[0], true);
    at::Tensor padded =
        at::constant_pad_nd(d_logits_RV.to(model->compute_type()), {0, 0, 0, padded_rows(rows) - rows});
    at::Tensor d_hidden_RC = at::mm(padded, model->head_compute_VC()).narrow(0, 0, rows);
    return {d_hidden_RC.to(at::kFloat), {}, {}, {}};
  }
};

}  // namespace

at::Tensor logits_of(const Llama& model, const at::Tensor& hidden_RC) {
  const int64_t rows = hidden_RC.size(0);
  at::Tensor padded = at::constant_pad_nd(hidden_RC, {0, 0, 0, padded_rows(rows) - rows});
  return at::linear(padded, model.head_VC()).narrow(0, 0, rows);
}

at::Tensor edge_log_probs(const Llama& model, const at::Tensor& hidden_TC, const EdgeIndex& edges) {
  return EdgeLogProbs::apply(hidden_TC.index_select(0, edges.rows_R), edges.row_E, edges.token_E, &model);
}

}  // namespace apportion
