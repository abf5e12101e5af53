// AdamW (arXiv 1711.05101) on one flat float32 tensor; the gradient's norm is clipped first.
#pragma once

#include <ATen/core/Tensor.h>

#include "shared/config/run_config.h"
#include "worker/kernels/row_kernels.h"
#include "worker/parallel/collectives.h"

namespace apportion {

class Optimizer {
 public:
  /// `holders` are the ranks whose values are one vector together (they outlive this); null: every rank has
  /// all.
  Optimizer(const OptimizerConfig& config, const at::Tensor& values, Collectives* holders = nullptr);

  /// Updates `values` in place with `gradient` (both [n] float32; the gradient is consumed) at rate `lr`.
  /// Returns the whole gradient's norm before clipping; over holders it is rounded to float32, so that the
  /// order of its sum, in float64 rank by rank, hardly ever shows. Throws RankError when it is not finite.
  /// Collective over the holders.
  double step(at::Tensor& values, at::Tensor& gradient, double lr);

  /// The gradient's running mean and mean square, [n] float32: with the number of steps all that a step
  /// leaves.
  const at::Tensor& first_moment() const { return first_moment_; }
  const at::Tensor& second_moment() const { return second_moment_; }
  /// Goes on as after `steps` steps that left these moments.
  void resume(const at::Tensor& first_moment, const at::Tensor& second_moment, int steps);

 private:
  double norm_of(const at::Tensor& gradient) const;
  /// One pass over memory, on a CPU.
  void update(const AdamStep& step, const at::Tensor& gradient, at::Tensor& values);

  OptimizerConfig config_;
  Collectives* holders_;
  at::Tensor first_moment_, second_moment_;
  int step_ = 0;
};

}  // namespace apportion
