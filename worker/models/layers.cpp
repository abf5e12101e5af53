#include "worker/models/layers.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

namespace apportion {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct RmsNorm : torch::autograd::Function<RmsNorm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x_TC, const at::Tensor& weight_C,
                            double epsilon, at::ScalarType type) {
    at::Tensor scale_T1 = x_TC.square().mean(-1, true).add_(epsilon).rsqrt_();
    context->save_for_backward({x_TC, weight_C, scale_T1});
    return (x_TC * scale_T1).mul_(weight_C).to(type);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    auto saved = context->get_saved_variables();
    const at::Tensor &x_TC = saved[0], &weight_C = saved[1], &scale_T1 = saved[2];
    at::Tensor d_weight_C, dy_TC = gradients[0].to(at::kFloat), g_TC = dy_TC * weight_C;
    if (context->needs_input_grad(1)) d_weight_C = (dy_TC * x_TC).mul_(scale_T1).sum(0);
    at::Tensor inner_T1 = (g_TC * x_TC).mean(-1, true).mul_(scale_T1).mul_(scale_T1);
    return {g_TC.sub_(x_TC * inner_T1).mul_(scale_T1), d_weight_C, {}, {}};
  }
};

at::Tensor rotate_by(const at::Tensor& x_THD, const at::Tensor& cos, const at::Tensor& sin) {
  auto halves = x_THD.to(at::kFloat).chunk(2, -1);
  return at::cat({halves[0] * cos - halves[1] * sin, halves[1] * cos + halves[0] * sin}, -1)
      .to(x_THD.scalar_type());
}

struct Rotate : torch::autograd::Function<Rotate> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x_THD, const at::Tensor& cos,
                            const at::Tensor& sin) {
    context->save_for_backward({cos, sin});
    return rotate_by(x_THD, cos, sin);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    auto saved = context->get_saved_variables();
    return {rotate_by(gradients[0], saved[0], -saved[1]), {}, {}};
  }
};

struct GatedActivation : torch::autograd::Function<GatedActivation> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& gate_up_T2F) {
    context->save_for_backward({gate_up_T2F});
    auto halves = gate_up_T2F.chunk(2, -1);
    return at::silu(halves[0]).mul_(halves[1]);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    auto halves = context->get_saved_variables()[0].chunk(2, -1);
    at::Tensor d_gate = at::silu_backward(gradients[0] * halves[1], halves[0]);
    return {at::cat({d_gate, gradients[0] * at::silu(halves[0])}, -1)};
  }
};

}  // namespace

at::Tensor rms_norm(const at::Tensor& x_TC, const at::Tensor& weight_C, double epsilon, at::ScalarType type) {
  return RmsNorm::apply(x_TC, weight_C, epsilon, type);
}

RotaryTable rotary_table(int64_t positions, int64_t head_dim, double theta, at::Device device) {
  at::Tensor index = at::arange(0, head_dim, 2, at::kDouble) / static_cast<double>(head_dim);
  at::Tensor angle = at::outer(at::arange(positions, at::kDouble), at::pow(theta, -index)).unsqueeze(1);
  return {angle.cos().to(at::kFloat).to(device), angle.sin().to(at::kFloat).to(device)};
}

at::Tensor rotate(const at::Tensor& x_THD, const at::Tensor& cos, const at::Tensor& sin) {
  return Rotate::apply(x_THD, cos, sin);
}

at::Tensor gated_activation(const at::Tensor& gate_up_T2F) { return GatedActivation::apply(gate_up_T2F); }

}  // namespace apportion
