#include "worker/losses/log_ratio.h"

#include <ATen/ATen.h>

namespace apportion {

at::Tensor log_ratios(const at::Tensor& log_prob_E, const at::Tensor& reference_E,
                      const AnswerEdges& answers) {
  at::Tensor ratio_E = log_prob_E - reference_E;
  return (ratio_E.index_select(0, answers.edge_AL.flatten()).view(answers.edge_AL.sizes()) * answers.mask_AL)
      .sum(-1);
}

}  // namespace apportion
