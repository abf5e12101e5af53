#include "worker/losses/path_log_probs.h"

#include <ATen/ATen.h>

namespace apportion {

at::Tensor path_log_probs(const at::Tensor& log_prob_E, const AnswerEdges& paths, int64_t prompts,
                          int64_t categories) {
  return sum_edges(log_prob_E, paths).view({prompts, categories, -1}).logsumexp(-1);
}

}  // namespace apportion
