#include "worker/train/optimizer.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "shared/base/error.h"
#include "worker/parallel/gradients.h"
#include "worker/parallel/lanes.h"

namespace apportion {
namespace {

constexpr int64_t least_values_a_thread = 65536;

}  // namespace

at::Tensor equal_singular_values(const at::Tensor& matrix) {
  const bool tall = matrix.size(0) > matrix.size(1);
  const at::Tensor wide = tall ? matrix.t().contiguous() : matrix;
  const auto [squares, vectors] = at::linalg_eigh(at::mm(wide, wide.t()).to(at::kCPU, at::kDouble));
  const double largest = squares[-1].item<double>();
  if (!(largest > 0)) return at::zeros_like(matrix);
  const at::Tensor inverses = squares.clamp_min(largest * 1e-6).rsqrt();
  const at::Tensor root =
      at::mm(vectors * inverses.unsqueeze(0), vectors.t()).mul_(std::sqrt(static_cast<double>(wide.size(1))));
  const at::Tensor equal = at::mm(root.to(matrix.device(), at::kFloat), wide);
  return tall ? equal.t() : equal;
}

Optimizer::Optimizer(const OptimizerConfig& config, const at::Tensor& values, Collectives* holders,
                     std::vector<MatrixPlace> matrices, Collectives* group)
    : config_(config),
      holders_(holders),
      group_(group),
      matrices_(std::move(matrices)),
      first_moment_(at::zeros_like(values)),
      second_moment_(at::zeros_like(values)) {
  if (config.kind != OptimizerKind::muon) return;
  std::sort(matrices_.begin(), matrices_.end(),
            [](const MatrixPlace& one, const MatrixPlace& other) { return one.offset < other.offset; });
  int64_t filled = 0;
  bool fill = !holders_;
  for (const MatrixPlace& place : matrices_) {
    fill = fill && place.offset == filled;
    filled += place.rows * place.columns;
  }
  ensure(fill && filled == values.numel(), "Muon's matrices fill the values, whole on every rank");
}

double Optimizer::norm_of(const at::Tensor& gradient) const {
  const double own = square_sum(gradient);
  if (!holders_) return std::sqrt(own);
  const std::vector<double> all = holders_->all_gather({own});
  return static_cast<float>(std::sqrt(std::accumulate(all.begin(), all.end(), 0.0)));
}

void Optimizer::resume(const at::Tensor& first_moment, const at::Tensor& second_moment, int steps) {
  first_moment_.copy_(first_moment);
  second_moment_.copy_(second_moment);
  step_ = steps;
}

void Optimizer::update(const AdamStep& step, const at::Tensor& gradient, at::Tensor& values) {
  const float* g = gradient.data_ptr<float>();
  float *first = first_moment_.data_ptr<float>(), *second = second_moment_.data_ptr<float>(),
        *value = values.data_ptr<float>();
  run_pieces(values.numel(), least_values_a_thread, [&](int64_t from, int64_t to) {
    kernel_set().adam(step, g + from, to - from, first + from, second + from, value + from);
  });
}

void Optimizer::update_matrices(double clip, double lr, const at::Tensor& gradient, at::Tensor& values) {
  const auto ranks = static_cast<size_t>(group_ ? group_->size() : 1),
             rank = static_cast<size_t>(group_ ? group_->group_rank() : 0);
  auto begin = [&](size_t of) { return matrices_.size() * of / ranks; };
  run_lanes(static_cast<int>(matrices_.size()), values.device(), [&](int index) {
    at::set_num_threads(1);  // whatever the lane has: the bits of products and eigenvalues may depend on it
    const auto i = static_cast<size_t>(index);
    const MatrixPlace& place = matrices_[i];
    auto part = [&](const at::Tensor& all) {
      return all.narrow(0, place.offset, place.rows * place.columns).view({place.rows, place.columns});
    };
    at::Tensor mean = part(first_moment_), value = part(values);
    mean.mul_(config_.momentum).add_(part(gradient), clip * (1 - config_.momentum));
    if (i < begin(rank) || i >= begin(rank + 1)) return;
    value.mul_(1 - lr * config_.weight_decay).sub_(equal_singular_values(mean), lr);
  });
  if (ranks == 1) return;
  auto offset = [&](size_t i) { return i < matrices_.size() ? matrices_[i].offset : values.numel(); };
  std::vector<int64_t> counts;
  for (size_t of = 0; of < ranks; ++of) counts.push_back(offset(begin(of + 1)) - offset(begin(of)));
  const at::Tensor own = values.narrow(0, offset(begin(rank)), counts[rank]).clone();
  group_->all_gather(own, values, counts);
}

double Optimizer::step(at::Tensor& values, at::Tensor& gradient, double lr) {
  const double norm = norm_of(gradient);
  if (!std::isfinite(norm)) {
    throw RankError(-1, "the gradient is not finite at step " + std::to_string(step_) +
                            " of this stage; a lower learning rate would be right");
  }
  const double clip = config_.clip_norm > 0 && norm > config_.clip_norm ? config_.clip_norm / norm : 1;
  ++step_;
  if (config_.kind == OptimizerKind::muon) {
    update_matrices(clip, lr, gradient, values);
    return norm;
  }
  const double correction1 = 1 - std::pow(config_.beta1, step_),
               correction2 = 1 - std::pow(config_.beta2, step_), decay = 1 - lr * config_.weight_decay;
  if (values.is_cpu()) {
    auto narrow = [](double value) { return static_cast<float>(value); };
    update({narrow(clip), narrow(decay), narrow(config_.beta1), narrow(1 - config_.beta1),
            narrow(config_.beta2), narrow(1 - config_.beta2), narrow(lr / correction1),
            narrow(std::sqrt(correction2)), narrow(config_.epsilon)},
           gradient, values);
    return norm;
  }
  if (clip != 1) gradient.mul_(clip);
  first_moment_.mul_(config_.beta1).add_(gradient, 1 - config_.beta1);
  second_moment_.mul_(config_.beta2).addcmul_(gradient, gradient, 1 - config_.beta2);
  if (decay != 1) values.mul_(decay);
  // The gradient is of no more use: its memory serves.
  at::Tensor denominator =
      at::sqrt_out(gradient, second_moment_).div_(std::sqrt(correction2)).add_(config_.epsilon);
  values.addcdiv_(first_moment_, denominator, -lr / correction1);
  return norm;
}

}  // namespace apportion
