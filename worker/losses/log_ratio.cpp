#include "worker/losses/log_ratio.h"

#include <ATen/ATen.h>

namespace apportion {

at::Tensor pick(const at::Tensor& value_E, const at::Tensor& index) {
  return at::embedding(value_E.unsqueeze(1), index).squeeze(-1);
}

at::Tensor sum_edges(const at::Tensor& value_E, const AnswerEdges& answers) {
  return (pick(value_E, answers.edge_AL) * answers.mask_AL).sum(-1);
}

at::Tensor log_ratios(const at::Tensor& log_prob_E, const at::Tensor& reference_E,
                      const AnswerEdges& answers) {
  return sum_edges(log_prob_E - reference_E, answers);
}

}  // namespace apportion
