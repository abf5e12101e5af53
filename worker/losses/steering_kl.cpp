#include "worker/losses/steering_kl.h"

#include <ATen/ATen.h>

namespace apportion {

at::Tensor steering_kl(const at::Tensor& q_IK, const at::Tensor& p_IK, double global_prompts) {
  const at::Tensor negative_entropy = at::xlogy(p_IK, p_IK).sum();  // sum p log p, and 0 log 0 = 0
  return ((p_IK * q_IK).sum() - negative_entropy) * (-1 / global_prompts);
}

at::Tensor common_error_term(const at::Tensor& q_IK, const at::Tensor& error_K, double global_prompts) {
  return ((q_IK.detach() - q_IK) * error_K).sum() / global_prompts;
}

at::Tensor steering_coverage(const at::Tensor& q_IK) { return q_IK.exp().sum(-1); }

}  // namespace apportion
