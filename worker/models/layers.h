// The pieces of a Llama block that are neither linear layers (adapted_linear.h) nor attention (tree/): RMS
// norm, rotary positions, the gated activation. The residual stream is float32; linear layers read the
// compute type.
#pragma once

#include <ATen/core/Tensor.h>

#include <utility>
#include <vector>

#include "shared/architecture/shape.h"

namespace apportion {

/// RMS norm (arXiv 1910.07467): x / sqrt(mean(x^2) + epsilon) * weight. x_TC float32; result in `type`.
/// Differentiable in x, and in a weight that requires a gradient.
at::Tensor rms_norm(const at::Tensor& x_TC, const at::Tensor& weight_C, double epsilon, at::ScalarType type);

/// cos and sin of position * frequency (architecture/rope.h), float32 [positions, 1, D/2] each.
struct RotaryTable {
  at::Tensor cos, sin;
};
RotaryTable rotary_table(int64_t positions, const std::vector<double>& frequencies, at::Device device);

/// Queries, keys and values of a fused projection's rows.
struct Heads {
  at::Tensor q_THD, k_TGD, v_TGD;
};
/// Splits qkv_TX into `heads` query heads and `kv_heads` key and value heads each, and rotates the halves of
/// query and key heads (Hugging Face's order: element i with i + D/2) by their row's angle. cos and sin are
/// [T, 1, D/2].
Heads rotate_heads(const at::Tensor& qkv_TX, const at::Tensor& cos, const at::Tensor& sin, int64_t heads,
                   int64_t kv_heads);

/// The same in few launches, for a GPU. Returns q_THD, and the rotated keys followed by the values, [T, 2 G
/// D]. cos_T1D holds each row's cos twice, sin_T1D its -sin and then sin.
std::pair<at::Tensor, at::Tensor> rotate_device(const at::Tensor& qkv_TX, const at::Tensor& cos_T1D,
                                                const at::Tensor& sin_T1D, int64_t heads, int64_t kv_heads);

/// qkv_TX with each query head (weights q_D) and key head (k_D) replaced by its RMS norm.
at::Tensor norm_heads(const at::Tensor& qkv_TX, const at::Tensor& q_D, const at::Tensor& k_D, int64_t heads,
                      int64_t kv_heads, double epsilon);

/// activation(gate) * up of gate_up_T2F = [gate, up]; returns [T, F].
at::Tensor gated_activation(const at::Tensor& gate_up_T2F, Activation activation);

/// x + y in float32; x_TC float32, y_TC in the compute type.
at::Tensor add_residual(const at::Tensor& x_TC, const at::Tensor& y_TC);

}  // namespace apportion
