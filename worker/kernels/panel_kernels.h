// Moves bfloat16 matrices into and out of the order in which a CPU's matrix instructions read them. A panel
// is some columns of a matrix [K, N] with pairs of rows interleaved: [K / 2][columns][2]. Only for machines
// that has_panel_products() accepts: compiled with AVX-512, which every CPU with such instructions has.
//
// Legend: strides are in values, from row to row; float32 inputs have no gaps between rows.
#pragma once

#include <cstdint>

#include "worker/kernels/bfloat.h"
#include "worker/kernels/score_rule.h"

namespace apportion {

/// The panel of the first `columns` columns of `rows` (even) rows.
void pack_panel(const Bfloat* in, int64_t stride, int64_t rows, int64_t columns, Bfloat* panel);
/// The same panel from the transposed matrix, whose row n holds the `rows` values of column n; `stride` is
/// even.
void pack_transposed_panel(const Bfloat* in, int64_t stride, int64_t rows, int64_t columns, Bfloat* panel);

/// out = in [rows, columns], rounded to nearest, ties to even. Whole runs of 32 columns use the processor's
/// instruction, which treats subnormal numbers as zero.
void round_rows(const float* in, int64_t rows, int64_t columns, Bfloat* out, int64_t stride);
/// out = in [rows, columns] * factor.
void scale_rows(const float* in, int64_t rows, int64_t columns, float factor, float* out, int64_t stride);
/// out [columns, rows] = in [rows, columns] transposed.
void transpose_rows(const float* in, int64_t rows, int64_t columns, float* out, int64_t stride);
/// out [columns, rows], contiguous, = in [rows, columns] transposed; `rows` is even.
void transpose_rows(const Bfloat* in, int64_t stride, int64_t rows, int64_t columns, Bfloat* out);

/// Rows of a softmax: `columns` values in `padded` places; the rest become zero.
struct SoftmaxSize {
  int64_t rows, columns, padded;
};
/// weights = softmax(scores + mask) of each row, rounded; the rule turns `products` into scores. The mask,
/// with `mask_stride`, is 0 or -infinity, with a 0 in every row. Overwrites the products.
void softmax_rows(float* products, const float* mask, int64_t mask_stride, const ScoreRule& rule,
                  const SoftmaxSize& size, Bfloat* weights);
/// Slopes of the scores with respect to scale q k under a rule with a cap: 1 - tanh^2.
void capped_slopes(const float* products, const ScoreRule& rule, const SoftmaxSize& size, float* slopes);
/// The gradient of the products from that of the weights; `slopes` null: no cap.
void softmax_backward_rows(const float* d_weights, const Bfloat* weights, const ScoreRule& rule,
                           const float* slopes, const SoftmaxSize& size, Bfloat* d_products);

}  // namespace apportion
