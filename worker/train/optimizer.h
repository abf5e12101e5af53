// AdamW (arXiv 1711.05101) on one flat float32 tensor; the gradient's norm is clipped first.
#pragma once

#include <ATen/core/Tensor.h>

#include "shared/config/run_config.h"

namespace apportion {

class Optimizer {
 public:
  Optimizer(const OptimizerConfig& config, const at::Tensor& values);

  /// Updates `values` in place with `gradient` (both [n] float32; the gradient is consumed) at rate `lr`.
  /// Returns the gradient's norm before clipping. Throws RankError when it is not finite.
  double step(at::Tensor& values, at::Tensor& gradient, double lr);

 private:
  OptimizerConfig config_;
  at::Tensor first_moment_, second_moment_;
  int step_ = 0;
};

}  // namespace apportion
