#include "worker/losses/log_ratio.h"

#include <ATen/ATen.h>

namespace apportion {

at::Tensor sum_edges(const at::Tensor& value_E, const AnswerEdges& answers) {
  return (value_E.index_select(0, answers.edge_AL.flatten()).view(answers.edge_AL.sizes()) * answers.mask_AL)
      .sum(-1);
}

at::Tensor log_ratios(const at::Tensor& log_prob_E, const at::Tensor& reference_E,
                      const AnswerEdges& answers) {
  return sum_edges(log_prob_E - reference_E, answers);
}

}  // namespace apportion
