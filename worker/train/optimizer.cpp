#include "worker/train/optimizer.h"

#include <ATen/ATen.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "shared/base/error.h"
#include "worker/parallel/gradients.h"
#include "worker/parallel/lanes.h"

namespace apportion {
namespace {

constexpr int64_t least_values_a_thread = 65536;

}  // namespace

Optimizer::Optimizer(const OptimizerConfig& config, const at::Tensor& values, Collectives* holders)
    : config_(config),
      holders_(holders),
      first_moment_(at::zeros_like(values)),
      second_moment_(at::zeros_like(values)) {}

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

double Optimizer::step(at::Tensor& values, at::Tensor& gradient, double lr) {
  const double norm = norm_of(gradient);
  if (!std::isfinite(norm)) {
    throw RankError(-1, "the gradient is not finite at step " + std::to_string(step_) +
                            " of this stage; a lower learning rate would be right");
  }
  const double clip = config_.clip_norm > 0 && norm > config_.clip_norm ? config_.clip_norm / norm : 1;
  ++step_;
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
