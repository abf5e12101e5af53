// Moving bfloat16 matrices in and out of the order in which a CPU's matrix instructions read them. A panel is
// some columns of a matrix [K, N], pairs of its rows alternating: [K / 2][columns][2]. Only for machines that
// panel_products.h says yes to: compiled with AVX-512, which every CPU with such instructions has.
//
// Legend: strides are in values, from row to row; float32 inputs have no gaps between rows.
#pragma once

#include <cstdint>

#include "worker/models/bfloat.h"

namespace apportion {

/// The panel of the first `columns` columns of `rows` (even) rows.
void pack_panel(const Bfloat* in, int64_t stride, int64_t rows, int64_t columns, Bfloat* panel);
/// The same panel from the transposed matrix, whose row n (of even stride) holds the `rows` values of column
/// n.
void pack_transposed_panel(const Bfloat* in, int64_t stride, int64_t rows, int64_t columns, Bfloat* panel);

/// out = in [rows, columns], rounded to the nearest, ties to even.
void round_rows(const float* in, int64_t rows, int64_t columns, Bfloat* out, int64_t stride);
/// out = in [rows, columns] * factor.
void scale_rows(const float* in, int64_t rows, int64_t columns, float factor, float* out, int64_t stride);
/// out [columns, rows] = in [rows, columns] transposed.
void transpose_rows(const float* in, int64_t rows, int64_t columns, float* out, int64_t stride);
/// out [columns, rows], without gaps, = in [rows, columns] transposed.
void transpose_rows(const Bfloat* in, int64_t stride, int64_t rows, int64_t columns, Bfloat* out);

}  // namespace apportion
