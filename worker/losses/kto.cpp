#include "worker/losses/kto.h"

#include <ATen/ATen.h>

namespace apportion {

at::Tensor log_ratios(const at::Tensor& log_prob_E, const at::Tensor& reference_E,
                      const AnswerEdges& answers) {
  at::Tensor ratio_E = log_prob_E - reference_E;
  return (ratio_E.index_select(0, answers.edge_AL.flatten()).view(answers.edge_AL.sizes()) * answers.mask_AL)
      .sum(-1);
}

at::Tensor kto_loss(const at::Tensor& r_A, const AnswerEdges& answers, double z, const KtoConfig& config,
                    double global_prompts) {
  at::Tensor sign_A = at::where(answers.accepted_A, 1.0, -1.0).to(at::kFloat);
  at::Tensor side_A =
      at::where(answers.accepted_A, config.weight_accepted, config.weight_rejected).to(at::kFloat);
  at::Tensor loss_A = side_A * (1 - at::sigmoid(config.beta * sign_A * (r_A - z)));
  return (loss_A * answers.weight_A).sum() * (0.5 / global_prompts);
}

}  // namespace apportion
