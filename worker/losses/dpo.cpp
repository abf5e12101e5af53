#include "worker/losses/dpo.h"

#include <ATen/ATen.h>

namespace apportion {

at::Tensor dpo_loss(const at::Tensor& accepted_r_Q, const at::Tensor& rejected_r_Q,
                    const at::Tensor& weight_Q, double beta, double global_prompts) {
  at::Tensor margin_Q = beta * (accepted_r_Q - rejected_r_Q);
  return (at::log_sigmoid(margin_Q) * weight_Q).sum() * (-1 / global_prompts);
}

}  // namespace apportion
