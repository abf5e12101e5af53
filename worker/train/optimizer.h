// AdamW (arXiv 1711.05101) on one flat float32 tensor, or Muon (arXiv 2502.16982) on the matrices that fill
// it. The gradient's norm is clipped first.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "shared/config/run_config.h"
#include "worker/kernels/row_kernels.h"
#include "worker/parallel/collectives.h"

namespace apportion {

/// A matrix among flat values, row by row.
struct MatrixPlace {
  int64_t offset = 0, rows = 0, columns = 0;
};

/// The matrix U S V^T with all singular values S made equal, so that a matrix of full rank has a root mean
/// square of 1 (arXiv 2502.16982 takes 0.2 of that, and five Newton-Schulz steps). Singular values below a
/// thousandth of the largest are rounding and are not raised; a matrix of zeros stays as it is. Uses the
/// eigenvalues of the Gram matrix on the shorter side, r x r for LoRA, at a cost of r^3 on the host. The bits
/// depend on the calling thread's number of threads.
at::Tensor equal_singular_values(const at::Tensor& matrix);

/// The same for a GPU, for groups [N, R, X] of matrices with equal shorter sides. Uses polynomials (arXiv
/// 2505.16932) of the Gram matrices in float64, one product a step for all matrices, and no value that the
/// host would wait for. A singular value s becomes sqrt(max(R, X)) s / sqrt(s^2 + 1e-6 |S^2|).
std::vector<at::Tensor> equal_singular_values(const std::vector<at::Tensor>& groups_NRX);

class Optimizer {
 public:
  /// `holders` are the ranks whose values together form one vector (they must outlive this); null: every rank
  /// has all values. Muon needs `matrices` that fill the values, all on every rank; the ranks of `group` take
  /// some each and have the same values after a step, whatever their CPUs (null: this rank takes all).
  Optimizer(const OptimizerConfig& config, const at::Tensor& values, Collectives* holders = nullptr,
            std::vector<MatrixPlace> matrices = {}, Collectives* group = nullptr);

  /// Updates `values` in place with `gradient` (both [n] float32; the gradient is consumed) at rate `lr`.
  /// Returns the whole gradient's norm before clipping; with holders it is rounded to float32, so the order
  /// of its float64 sum over ranks hardly ever shows. Throws RankError when it is not finite. Collective over
  /// the holders, with Muon over the group.
  double step(at::Tensor& values, at::Tensor& gradient, double lr);

  /// The gradient's running mean and mean square (Muon: zeros), [n] float32. Together with the number of
  /// steps they are all the state that a step leaves.
  const at::Tensor& first_moment() const { return first_moment_; }
  const at::Tensor& second_moment() const { return second_moment_; }
  /// Continues as if `steps` steps had left these moments.
  void resume(const at::Tensor& first_moment, const at::Tensor& second_moment, int steps);

 private:
  double norm_of(const at::Tensor& gradient) const;
  /// AdamW's step on a CPU, in one pass over memory.
  void update(const AdamStep& step, const at::Tensor& gradient, at::Tensor& values);

  /// On a GPU: update_matrices for matrices [first, last), all at once, from their first moments.
  void update_own_matrices(double lr, size_t first, size_t last, at::Tensor& values);
  /// Muon's step: each matrix of the mean gradient with equal singular values, times lr. `clip` scales the
  /// gradient.
  void update_matrices(double clip, double lr, const at::Tensor& gradient, at::Tensor& values);

  OptimizerConfig config_;
  Collectives *holders_, *group_;
  std::vector<MatrixPlace> matrices_;  // by offset
  at::Tensor first_moment_, second_moment_;
  int step_ = 0;
};

}  // namespace apportion
