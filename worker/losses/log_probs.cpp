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
    const at::Tensor logits_RV = logits_of(*model, hidden_RC), log_probs_RV = logits_RV.log_softmax(-1);
    context->save_for_backward({log_probs_RV, row_E, token_E, logits_RV.narrow(1, 0, 1).clone()});
    context->saved_data["model"] = reinterpret_cast<int64_t>(model);
    return pick_edges(log_probs_RV, {{}, row_E, token_E});
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    auto saved = context->get_saved_variables();
    const auto* model = reinterpret_cast<const Llama*>(context->saved_data["model"].toInt());
    at::Tensor log_probs_RV = saved[0].clone();  // backward may run again
    at::Tensor d_logits_RV = logits_gradient(log_probs_RV, {{}, saved[1], saved[2]}, gradients[0]);
    const Vocabulary& vocabulary = model->vocabulary();
    if (vocabulary.caps_logits()) {
      at::Tensor logits_RV = logits_again(saved[0], saved[3]);
      vocabulary.uncap(d_logits_RV, logits_RV);
    }
    return {vocabulary.logits_backward({d_logits_RV.to(model->compute_type())})[0], {}, {}, {}};
  }
};

}  // namespace

at::Tensor pick_edges(const at::Tensor& log_probs_RV, const EdgeIndex& edges) {
  return log_probs_RV.flatten().index_select(0, edges.row_E * log_probs_RV.size(1) + edges.token_E);
}

at::Tensor logits_gradient(at::Tensor& log_probs_RV, const EdgeIndex& edges, const at::Tensor& d_E) {
  // An embedding's gradient adds rows in order on every device, while index_add_ does not on a GPU.
  const at::Tensor sum_R =
      at::embedding_dense_backward(d_E.unsqueeze(1), edges.row_E, log_probs_RV.size(0), -1, false);
  at::Tensor d_logits_RV = log_probs_RV.exp_().mul_(sum_R.neg());
  at::Tensor flat = d_logits_RV.view({d_logits_RV.numel()});
  const at::Tensor place_E = edges.row_E * d_logits_RV.size(1) + edges.token_E;  // each edge has its own
  flat.index_copy_(0, place_E, flat.index_select(0, place_E).add_(d_E));
  return d_logits_RV;
}

at::Tensor logits_again(const at::Tensor& log_probs_RV, const at::Tensor& first_R1) {
  return log_probs_RV + (first_R1 - log_probs_RV.narrow(1, 0, 1));
}

at::Tensor logits_of(const Llama& model, const at::Tensor& hidden_RC) {
  return model.vocabulary().logits({hidden_RC})[0];
}

at::Tensor edge_log_probs(const Llama& model, const at::Tensor& hidden_TC, const EdgeIndex& edges) {
  return EdgeLogProbs::apply(hidden_TC.index_select(0, edges.rows_R), edges.row_E, edges.token_E, &model);
}

}  // namespace apportion
