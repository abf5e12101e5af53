// Moving bfloat16 matrices in and out of the order in which a CPU's matrix instructions read them. A panel is
// some columns of a matrix [K, N], pairs of its rows alternating: [K / 2][columns][2]. Only for machines that
// micro_kernel.h says yes to: compiled with AVX-512, which every CPU with such instructions has.
//
// Legend: strides are in values, from row to row; float32 inputs have no gaps between rows.
#pragma once

#include <cstdint>

#include "worker/kernels/bfloat.h"
#include "worker/kernels/score_rule.h"

namespace apportion {

/// The panel of the first `columns` columns of `rows` (even) rows.
void pack_panel(const Bfloat* in, int64_t stride, int64_t rows, int64_t columns, Bfloat* panel);
/// The same panel from the transposed matrix, whose row n (of even stride) holds the `rows` values of column
/// n.
void pack_transposed_panel(const Bfloat* in, int64_t stride, int64_t rows, int64_t columns, Bfloat* panel);

/// out = in [rows, columns], rounded to the nearest, ties to even (by the processor's instruction, which
/// takes numbers below the normal ones for zero, in whole runs of 32 columns).
void round_rows(const float* in, int64_t rows, int64_t columns, Bfloat* out, int64_t stride);
/// out = in [rows, columns] * factor.
void scale_rows(const float* in, int64_t rows, int64_t columns, float factor, float* out, int64_t stride);
/// out [columns, rows] = in [rows, columns] transposed.
void transpose_rows(const float* in, int64_t rows, int64_t columns, float* out, int64_t stride);
/// out [columns, rows], without gaps, = in [rows, columns] transposed; `rows` is even.
void transpose_rows(const Bfloat* in, int64_t stride, int64_t rows, int64_t columns, Bfloat* out);

/// Rows of a softmax: `columns` values of `padded` places, whose rest becomes zero.
struct SoftmaxSize {
  int64_t rows, columns, padded;
};
/// weights = softmax(scores + mask) of each row, rounded, the scores made of `products` by the rule. The
/// mask, of `mask_stride`, is 0 or -infinity, with a 0 in every row. Overwrites the products.
void softmax_rows(float* products, const float* mask, int64_t mask_stride, const ScoreRule& rule,
                  const SoftmaxSize& size, Bfloat* weights);
/// How fast the scores of a rule with a cap grow with scale q k: 1 - tanh^2.
void capped_slopes(const float* products, const ScoreRule& rule, const SoftmaxSize& size, float* slopes);
/// Gradient of the products from that of the weights; `slopes` null: without a cap.
void softmax_backward_rows(const float* d_weights, const Bfloat* weights, const ScoreRule& rule,
                           const float* slopes, const SoftmaxSize& size, Bfloat* d_products);

}  // namespace apportion
