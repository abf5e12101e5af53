#include "worker/losses/retention.h"

#include <ATen/ATen.h>

namespace apportion {

RetentionKl retention_kl(const at::Tensor& log_probs_NV, const at::Tensor& base_log_probs_NV) {
  const at::Tensor base_NV = base_log_probs_NV.exp();
  at::Tensor kl_N = (base_NV * (base_log_probs_NV - log_probs_NV)).sum(-1);
  return {kl_N, log_probs_NV.exp().sub_(base_NV)};
}

}  // namespace apportion
