#include "worker/losses/sft.h"

#include <ATen/ATen.h>

namespace apportion {

at::Tensor sft_loss(const at::Tensor& log_prob_E, const at::Tensor& weight_E, double normalizer) {
  return (log_prob_E * weight_E).sum() * (-1 / normalizer);
}

}  // namespace apportion
