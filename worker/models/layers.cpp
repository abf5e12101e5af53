#include "worker/models/layers.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <tuple>

#include "shared/base/error.h"
#include "worker/kernels/row_kernels.h"

namespace apportion {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t least_rows_a_thread = 16;

template <typename Value>
Value* values_of(const at::Tensor& tensor) {
  return static_cast<Value*>(tensor.data_ptr());
}

/// Calls work(kernels, first row, rows) with the CPU's kernels for `type`, the rows dealt to threads.
template <typename Work>
void for_rows(at::ScalarType type, int64_t rows, Work work) {
  ensure(type == at::kFloat || type == at::kBFloat16, "a compute type is float32 or bfloat16");
  at::parallel_for(0, rows, least_rows_a_thread, [&](int64_t first, int64_t last) {
    if (type == at::kFloat) {
      work(row_kernels<float>(), first, last - first);
    } else {
      work(row_kernels<Bfloat>(), first, last - first);
    }
  });
}

/// Names the type of the values that kernels take.
template <typename Value>
Value value_of(const RowKernels<Value>&);

struct RmsNorm : torch::autograd::Function<RmsNorm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x_TC, const at::Tensor& weight_C,
                            double epsilon, at::ScalarType type) {
    at::Tensor scale_T1, y_TC;
    if (x_TC.is_cpu()) {
      const at::Tensor x = x_TC.contiguous();
      const int64_t rows = x.size(0), width = x.size(1);
      scale_T1 = at::empty({rows, 1}, x.options());
      y_TC = at::empty({rows, width}, x.options().dtype(type));
      for_rows(type, rows, [&](const auto& kernels, int64_t first, int64_t count) {
        using Value = decltype(value_of(kernels));
        kernels.rms_norm(values_of<float>(x) + first * width, values_of<float>(weight_C),
                         static_cast<float>(epsilon), count, width, values_of<float>(scale_T1) + first,
                         values_of<Value>(y_TC) + first * width);
      });
    } else {
      std::tie(y_TC, scale_T1) = at::_fused_rms_norm(x_TC, x_TC.size(1), weight_C, epsilon);
      y_TC = y_TC.to(type);
    }
    context->save_for_backward({x_TC, weight_C, scale_T1});
    return y_TC;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    auto saved = context->get_saved_variables();
    const at::Tensor &x_TC = saved[0], &weight_C = saved[1], &scale_T1 = saved[2];
    at::Tensor d_weight_C, dx_TC;
    if (!x_TC.is_cpu()) {
      std::tie(dx_TC, d_weight_C) =
          at::_fused_rms_norm_backward(gradients[0].to(at::kFloat), x_TC, x_TC.size(1), scale_T1, weight_C,
                                       {true, context->needs_input_grad(1)});
      return {dx_TC, d_weight_C, {}, {}};
    }
    if (context->needs_input_grad(1)) d_weight_C = (gradients[0].to(at::kFloat) * x_TC).mul_(scale_T1).sum(0);
    const at::Tensor x = x_TC.contiguous(), dy = gradients[0].contiguous();
    const int64_t rows = x.size(0), width = x.size(1);
    dx_TC = at::empty_like(x);
    for_rows(dy.scalar_type(), rows, [&](const auto& kernels, int64_t first, int64_t count) {
      using Value = decltype(value_of(kernels));
      kernels.rms_norm_backward(values_of<Value>(dy) + first * width, values_of<float>(x) + first * width,
                                values_of<float>(weight_C), values_of<float>(scale_T1) + first, count, width,
                                values_of<float>(dx_TC) + first * width);
    });
    return {dx_TC, d_weight_C, {}, {}};
  }
};

/// Rotates `heads` heads of in_TX, from column `in_column`, into out_TX, from column `out_column`.
void rotate_columns(const at::Tensor& in_TX, int64_t in_column, const at::Tensor& out_TX, int64_t out_column,
                    int64_t heads, const at::Tensor& cos, const at::Tensor& sin, double direction) {
  const int64_t rows = in_TX.size(0), half = cos.size(-1);
  if (in_TX.is_cpu()) {
    const int64_t in_stride = in_TX.size(1), out_stride = out_TX.size(1);
    for_rows(in_TX.scalar_type(), rows, [&](const auto& kernels, int64_t first, int64_t count) {
      using Value = decltype(value_of(kernels));
      kernels.rotate(values_of<Value>(in_TX) + first * in_stride + in_column,
                     values_of<float>(cos) + first * half, values_of<float>(sin) + first * half,
                     {count, heads, 2 * half, in_stride, out_stride}, static_cast<float>(direction),
                     values_of<Value>(out_TX) + first * out_stride + out_column);
    });
    return;
  }
  auto halves =
      in_TX.narrow(1, in_column, heads * 2 * half).view({rows, heads, 2 * half}).to(at::kFloat).chunk(2, -1);
  const at::Tensor turned = sin * direction;
  out_TX.narrow(1, out_column, heads * 2 * half)
      .copy_(at::cat({halves[0] * cos - halves[1] * turned, halves[1] * cos + halves[0] * turned}, -1)
                 .view({rows, heads * 2 * half}));
}

struct RotateHeads : torch::autograd::Function<RotateHeads> {
  static variable_list forward(AutogradContext* context, const at::Tensor& qkv_TX, const at::Tensor& cos,
                               const at::Tensor& sin, int64_t heads, int64_t kv_heads) {
    context->save_for_backward({cos, sin});
    const int64_t rows = qkv_TX.size(0), head_dim = 2 * cos.size(-1);
    const int64_t q_width = heads * head_dim, kv_width = kv_heads * head_dim;
    const at::Tensor in_TX = qkv_TX.contiguous();
    at::Tensor q = at::empty({rows, q_width}, in_TX.options()),
               k = at::empty({rows, kv_width}, in_TX.options());
    rotate_columns(in_TX, 0, q, 0, heads, cos, sin, 1);
    rotate_columns(in_TX, q_width, k, 0, kv_heads, cos, sin, 1);
    at::Tensor v = in_TX.narrow(1, q_width + kv_width, kv_width).contiguous();
    return {q.view({rows, heads, head_dim}), k.view({rows, kv_heads, head_dim}),
            v.view({rows, kv_heads, head_dim})};
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    auto saved = context->get_saved_variables();
    const at::Tensor &cos = saved[0], &sin = saved[1];
    const int64_t rows = gradients[0].size(0), heads = gradients[0].size(1), kv_heads = gradients[1].size(1);
    const int64_t q_width = heads * 2 * cos.size(-1), kv_width = kv_heads * 2 * cos.size(-1);
    at::Tensor d_TX = at::empty({rows, q_width + 2 * kv_width}, gradients[0].options());
    rotate_columns(gradients[0].reshape({rows, q_width}), 0, d_TX, 0, heads, cos, sin, -1);
    rotate_columns(gradients[1].reshape({rows, kv_width}), 0, d_TX, q_width, kv_heads, cos, sin, -1);
    d_TX.narrow(1, q_width + kv_width, kv_width).copy_(gradients[2].reshape({rows, kv_width}));
    return {d_TX, {}, {}, {}, {}};
  }
};

/// rotate_device(): rotates q and k together, [T, H + G, D].
struct RotateDevice : torch::autograd::Function<RotateDevice> {
  static at::Tensor turned(const at::Tensor& qk_TND, const at::Tensor& cos, const at::Tensor& sin,
                           double direction) {
    const at::Tensor wide = qk_TND.to(at::kFloat);
    const at::Tensor other_half = at::roll(wide, {wide.size(2) / 2}, {2});
    return (wide * cos).addcmul_(other_half, sin, direction);
  }

  static variable_list forward(AutogradContext* context, const at::Tensor& qkv_TX, const at::Tensor& cos,
                               const at::Tensor& sin, int64_t heads, int64_t kv_heads) {
    context->save_for_backward({cos, sin});
    const int64_t rows = qkv_TX.size(0), head_dim = cos.size(2);
    const at::Tensor in = qkv_TX.view({rows, heads + 2 * kv_heads, head_dim});
    const at::Tensor qk = turned(in.narrow(1, 0, heads + kv_heads), cos, sin, 1);
    const at::Tensor q = qk.narrow(1, 0, heads).to(qkv_TX.scalar_type(), false, /*copy=*/true);
    const at::Tensor kv = at::empty({rows, 2 * kv_heads, head_dim}, qkv_TX.options());
    kv.narrow(1, 0, kv_heads).copy_(qk.narrow(1, heads, kv_heads));
    kv.narrow(1, kv_heads, kv_heads).copy_(in.narrow(1, heads + kv_heads, kv_heads));
    return {q, kv.view({rows, 2 * kv_heads * head_dim})};
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    auto saved = context->get_saved_variables();
    const at::Tensor& d_q = gradients[0];
    const int64_t rows = d_q.size(0), heads = d_q.size(1), head_dim = d_q.size(2),
                  kv_heads = gradients[1].size(1) / (2 * head_dim);
    const at::Tensor d_kv = gradients[1].view({rows, 2 * kv_heads, head_dim});
    const at::Tensor d_in = at::empty({rows, heads + 2 * kv_heads, head_dim}, d_q.options());
    d_in.narrow(1, 0, heads + kv_heads)
        .copy_(turned(at::cat({d_q, d_kv.narrow(1, 0, kv_heads)}, 1), saved[0], saved[1], -1));
    d_in.narrow(1, heads + kv_heads, kv_heads).copy_(d_kv.narrow(1, kv_heads, kv_heads));
    return {d_in.view({rows, -1}), {}, {}, {}, {}};
  }
};

struct GatedActivation : torch::autograd::Function<GatedActivation> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& gate_up_T2F, Activation activation) {
    context->save_for_backward({gate_up_T2F});
    context->saved_data["is_gelu"] = activation == Activation::gelu;
    if (!gate_up_T2F.is_cpu()) {
      auto halves = gate_up_T2F.chunk(2, -1);
      return activated(halves[0], activation).mul_(halves[1]);
    }
    const at::Tensor in = gate_up_T2F.contiguous();
    const int64_t rows = in.size(0), inner = in.size(1) / 2;
    at::Tensor out_TF = at::empty({rows, inner}, in.options());
    for_rows(in.scalar_type(), rows, [&](const auto& kernels, int64_t first, int64_t count) {
      using Value = decltype(value_of(kernels));
      const auto gated = activation == Activation::gelu ? kernels.gelu_gated : kernels.silu_gated;
      gated(values_of<Value>(in) + first * 2 * inner, count, inner, values_of<Value>(out_TF) + first * inner);
    });
    return out_TF;
  }

  static at::Tensor activated(const at::Tensor& gate_TF, Activation activation) {
    return activation == Activation::gelu ? at::gelu(gate_TF, "tanh") : at::silu(gate_TF);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const at::Tensor in = context->get_saved_variables()[0].contiguous();
    const bool is_gelu = context->saved_data["is_gelu"].toBool();
    if (!in.is_cpu()) {
      const at::Tensor d_in = at::empty_like(in);
      auto halves = in.chunk(2, -1), d_halves = d_in.chunk(2, -1);
      if (is_gelu) {
        at::gelu_backward_out(d_halves[0], gradients[0] * halves[1], halves[0], "tanh");
      } else {
        at::silu_backward_out(d_halves[0], gradients[0] * halves[1], halves[0]);
      }
      at::mul_out(d_halves[1], gradients[0],
                  activated(halves[0], is_gelu ? Activation::gelu : Activation::silu));
      return {d_in, {}};
    }
    const at::Tensor d_TF = gradients[0].contiguous();
    const int64_t rows = in.size(0), inner = in.size(1) / 2;
    at::Tensor d_in = at::empty_like(in);
    for_rows(in.scalar_type(), rows, [&](const auto& kernels, int64_t first, int64_t count) {
      using Value = decltype(value_of(kernels));
      const auto backward = is_gelu ? kernels.gelu_gated_backward : kernels.silu_gated_backward;
      backward(values_of<Value>(d_TF) + first * inner, values_of<Value>(in) + first * 2 * inner, count, inner,
               values_of<Value>(d_in) + first * 2 * inner);
    });
    return {d_in, {}};
  }
};

struct AddResidual : torch::autograd::Function<AddResidual> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x_TC, const at::Tensor& y_TC) {
    context->saved_data["type"] = y_TC.scalar_type();
    if (!x_TC.is_cpu()) return x_TC + y_TC;
    const at::Tensor x = x_TC.contiguous(), y = y_TC.contiguous();
    const int64_t rows = x.size(0), width = x.size(1);
    at::Tensor out_TC = at::empty_like(x);
    for_rows(y.scalar_type(), rows, [&](const auto& kernels, int64_t first, int64_t count) {
      using Value = decltype(value_of(kernels));
      kernels.add(values_of<float>(x) + first * width, values_of<Value>(y) + first * width, count * width,
                  values_of<float>(out_TC) + first * width);
    });
    return out_TC;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const at::ScalarType type = context->saved_data["type"].toScalarType();
    if (type == at::kFloat || !gradients[0].is_cpu()) return {gradients[0], gradients[0].to(type)};
    const at::Tensor d_TC = gradients[0].contiguous();
    const int64_t rows = d_TC.size(0), width = d_TC.size(1);
    at::Tensor dy_TC = at::empty(d_TC.sizes(), d_TC.options().dtype(type));
    for_rows(type, rows, [&](const auto& kernels, int64_t first, int64_t count) {
      using Value = decltype(value_of(kernels));
      kernels.scale(values_of<float>(d_TC) + first * width, 1, count * width,
                    values_of<Value>(dy_TC) + first * width);
    });
    return {d_TC, dy_TC};
  }
};

}  // namespace

at::Tensor rms_norm(const at::Tensor& x_TC, const at::Tensor& weight_C, double epsilon, at::ScalarType type) {
  return RmsNorm::apply(x_TC, weight_C, epsilon, type);
}

RotaryTable rotary_table(int64_t positions, const std::vector<double>& frequencies, at::Device device) {
  const at::Tensor angle =
      at::outer(at::arange(positions, at::kDouble), at::tensor(frequencies, at::kDouble)).unsqueeze(1);
  return {angle.cos().to(at::kFloat).to(device), angle.sin().to(at::kFloat).to(device)};
}

Heads rotate_heads(const at::Tensor& qkv_TX, const at::Tensor& cos, const at::Tensor& sin, int64_t heads,
                   int64_t kv_heads) {
  auto parts = RotateHeads::apply(qkv_TX, cos, sin, heads, kv_heads);
  return {parts[0], parts[1], parts[2]};
}

at::Tensor norm_heads(const at::Tensor& qkv_TX, const at::Tensor& q_D, const at::Tensor& k_D, int64_t heads,
                      int64_t kv_heads, double epsilon) {
  const int64_t rows = qkv_TX.size(0), head_dim = q_D.size(0);
  const auto parts =
      qkv_TX.split_with_sizes({heads * head_dim, kv_heads * head_dim, kv_heads * head_dim}, -1);
  auto normed = [&](const at::Tensor& part_TX, const at::Tensor& weight_D) {
    const at::Tensor wide = part_TX.reshape({-1, head_dim}).to(at::kFloat);
    return rms_norm(wide, weight_D, epsilon, qkv_TX.scalar_type()).view({rows, -1});
  };
  return at::cat({normed(parts[0], q_D), normed(parts[1], k_D), parts[2]}, -1);
}

std::pair<at::Tensor, at::Tensor> rotate_device(const at::Tensor& qkv_TX, const at::Tensor& cos_T1D,
                                                const at::Tensor& sin_T1D, int64_t heads, int64_t kv_heads) {
  auto parts = RotateDevice::apply(qkv_TX, cos_T1D, sin_T1D, heads, kv_heads);
  return {parts[0], parts[1]};
}

at::Tensor gated_activation(const at::Tensor& gate_up_T2F, Activation activation) {
  return GatedActivation::apply(gate_up_T2F, activation);
}

at::Tensor add_residual(const at::Tensor& x_TC, const at::Tensor& y_TC) {
  return AddResidual::apply(x_TC, y_TC);
}

}  // namespace apportion
