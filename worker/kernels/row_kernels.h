// The elementwise parts of a block, AdamW and sums of gradients on a CPU, each in one pass over memory:
// LibTorch's operations, one after another, read and write every value several times, which took a fifth of a
// training step. Rows are independent, so results do not depend on how they are dealt to threads. This file
// needs no Torch: callers use it for CPU tensors and LibTorch's operations for others. row_kernels.cpp is
// compiled once for each instruction set; row_kernels_choice.cpp picks the machine's best.
//
// Legend: T rows, C width, F inner width, D head_dim. Arrays are contiguous rows, unless a stride (in values)
// says otherwise.
#pragma once

#include <cstdint>

#include "worker/kernels/bfloat.h"

namespace apportion {

/// Heads to rotate; `in_stride` and `out_stride` lead from row to row.
struct HeadRows {
  int64_t rows, heads, head_dim, in_stride, out_stride;
};

/// Kernels for values in the compute type `Value`, float or Bfloat. They compute in float32 and round once.
template <typename Value>
struct RowKernels {
  /// y = x / sqrt(mean(x^2) + epsilon) * weight; scale_T is each row's factor, without the weight.
  void (*rms_norm)(const float* x_TC, const float* weight_C, float epsilon, int64_t rows, int64_t width,
                   float* scale_T, Value* y_TC);
  void (*rms_norm_backward)(const Value* dy_TC, const float* x_TC, const float* weight_C,
                            const float* scale_T, int64_t rows, int64_t width, float* dx_TC);
  /// Rotates element i of a head with i + D/2 by the row's angle, backwards if `direction` is -1. cos, sin:
  /// [T, D/2].
  void (*rotate)(const Value* in, const float* cos, const float* sin, const HeadRows& size, float direction,
                 Value* out);
  /// silu(gate) * up of rows [gate, up]. The exponential is within 2 units in the last place of float32.
  void (*silu_gated)(const Value* gate_up_T2F, int64_t rows, int64_t inner, Value* out_TF);
  void (*silu_gated_backward)(const Value* d_TF, const Value* gate_up_T2F, int64_t rows, int64_t inner,
                              Value* d_gate_up_T2F);
  /// gelu(gate) * up of rows [gate, up], with the same exponential.
  void (*gelu_gated)(const Value* gate_up_T2F, int64_t rows, int64_t inner, Value* out_TF);
  void (*gelu_gated_backward)(const Value* d_TF, const Value* gate_up_T2F, int64_t rows, int64_t inner,
                              Value* d_gate_up_T2F);
  /// out = x + y.
  void (*add)(const float* x, const Value* y, int64_t count, float* out);
  /// out = x * factor.
  void (*scale)(const float* x, float factor, int64_t count, Value* out);
};

/// The numbers of an AdamW step (arXiv 1711.05101, algorithm 2) that all values share. `clip` multiplies the
/// gradient, `decay` the value; `rate` is already divided by the first moment's bias correction, and
/// `root_correction` is the square root of the second's.
struct AdamStep {
  float clip, decay, beta1, rest1, beta2, rest2, rate, root_correction, epsilon;  // rest: 1 - beta
};

/// One instruction set's kernels for both compute types.
struct KernelSet {
  /// out += in.
  void (*accumulate)(const float* in, int64_t count, float* out);
  void (*adam)(const AdamStep& step, const float* gradient, int64_t count, float* first_moment,
               float* second_moment, float* values);
  RowKernels<float> of_float;
  RowKernels<Bfloat> of_bfloat;
};

/// The fastest set that this machine can run.
const KernelSet& kernel_set();
template <typename Value>
const RowKernels<Value>& row_kernels();

}  // namespace apportion
