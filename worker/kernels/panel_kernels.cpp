// No function of other headers may be compiled here: the linker could give it to machines without AVX-512.
#include "worker/kernels/panel_kernels.h"

#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

#include "worker/kernels/kernel_math.h"

namespace apportion {
namespace {

constexpr int64_t side = 16;  // of the squares transposed in registers
using Words = uint32_t __attribute__((vector_size(4 * side)));

/// For row a above row b: exchanges a's elements whose index has bit `D` with b's elements whose index lacks
/// it.
template <int D>
inline void exchange(Words& a, Words& b) {
  constexpr int bit = D;
  auto low = [](int lane) { return (lane & bit) ? lane - bit + side : lane; };
  auto high = [](int lane) { return (lane & bit) ? lane + side : lane + bit; };
  const Words first =
      __builtin_shufflevector(a, b, low(0), low(1), low(2), low(3), low(4), low(5), low(6), low(7), low(8),
                              low(9), low(10), low(11), low(12), low(13), low(14), low(15));
  const Words second =
      __builtin_shufflevector(a, b, high(0), high(1), high(2), high(3), high(4), high(5), high(6), high(7),
                              high(8), high(9), high(10), high(11), high(12), high(13), high(14), high(15));
  a = first;
  b = second;
}

template <int D>
inline void exchange_rows(Words* rows) {
  for (int row = 0; row < side; ++row) {
    if (!(row & D)) exchange<D>(rows[row], rows[row + D]);
  }
}

/// out = even[0], odd[0], even[1], ... of 32 values each.
inline void interleave(const Bfloat* even, const Bfloat* odd, Bfloat* out) {
  using Values = Bfloat __attribute__((vector_size(64)));
  Values a, b;
  __builtin_memcpy(&a, even, sizeof a);
  __builtin_memcpy(&b, odd, sizeof b);
  const Values low = __builtin_shufflevector(a, b, 0, 32, 1, 33, 2, 34, 3, 35, 4, 36, 5, 37, 6, 38, 7, 39, 8,
                                             40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47);
  const Values high =
      __builtin_shufflevector(a, b, 16, 48, 17, 49, 18, 50, 19, 51, 20, 52, 21, 53, 22, 54, 23, 55, 24, 56,
                              25, 57, 26, 58, 27, 59, 28, 60, 29, 61, 30, 62, 31, 63);
  __builtin_memcpy(out, &low, sizeof low);
  __builtin_memcpy(out + 32, &high, sizeof high);
}

inline float row_most(int64_t width, const float* x) {
  float most[lanes];
  for (float& part : most) part = -__builtin_inff();
  int64_t i = 0;
  for (; i + lanes <= width; i += lanes) {
    for (int64_t l = 0; l < lanes; ++l) most[l] = x[i + l] > most[l] ? x[i + l] : most[l];
  }
  for (; i < width; ++i) most[0] = x[i] > most[0] ? x[i] : most[0];
  for (float part : most) most[0] = part > most[0] ? part : most[0];
  return most[0];
}

/// out[j][i] = in[i][j] of `rows` x `columns` words.
inline void transpose_words(const uint32_t* in, int64_t stride, int64_t rows, int64_t columns, uint32_t* out,
                            int64_t out_stride) {
  int64_t row = 0;
  for (; row + side <= rows; row += side) {
    int64_t column = 0;
    for (; column + side <= columns; column += side) {
      Words square[side];
      for (int64_t i = 0; i < side; ++i)
        __builtin_memcpy(&square[i], in + (row + i) * stride + column, sizeof(Words));
      exchange_rows<8>(square);
      exchange_rows<4>(square);
      exchange_rows<2>(square);
      exchange_rows<1>(square);
      for (int64_t j = 0; j < side; ++j)
        __builtin_memcpy(out + (column + j) * out_stride + row, &square[j], sizeof(Words));
    }
    for (; column < columns; ++column) {
      for (int64_t i = 0; i < side; ++i) out[column * out_stride + row + i] = in[(row + i) * stride + column];
    }
  }
  for (; row < rows; ++row) {
    for (int64_t column = 0; column < columns; ++column)
      out[column * out_stride + row] = in[row * stride + column];
  }
}

}  // namespace

void pack_panel(const Bfloat* in, int64_t stride, int64_t rows, int64_t columns, Bfloat* panel) {
  constexpr int64_t width = 32, ahead = 16;
  for (int64_t row = 0; row < rows; row += 2) {
    const Bfloat *even = in + row * stride, *odd = even + stride;
    Bfloat* pairs = panel + row * columns;
    int64_t i = 0;
    for (; i + width <= columns; i += width) {
      // A panel has only two cache lines of each row, too few for the processor to predict the next.
      __builtin_prefetch(even + ahead * stride + i);
      __builtin_prefetch(odd + ahead * stride + i);
      interleave(even + i, odd + i, pairs + 2 * i);
    }
    for (; i < columns; ++i) {
      pairs[2 * i] = even[i];
      pairs[2 * i + 1] = odd[i];
    }
  }
}

void pack_transposed_panel(const Bfloat* in, int64_t stride, int64_t rows, int64_t columns, Bfloat* panel) {
  transpose_words(reinterpret_cast<const uint32_t*>(in), stride / 2, columns, rows / 2,
                  reinterpret_cast<uint32_t*>(panel), columns);
}

void round_rows(const float* in, int64_t rows, int64_t columns, Bfloat* out, int64_t stride) {
  for (int64_t row = 0; row < rows; ++row) {
    const float* __restrict from = in + row * columns;
    Bfloat* __restrict to = out + row * stride;
    int64_t i = 0;
#ifdef __AVX512BF16__
    for (; i + 32 <= columns; i += 32) {
      const __m512bh two = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + i + 16), _mm512_loadu_ps(from + i));
      __builtin_memcpy(to + i, &two, sizeof two);
    }
#endif
    for (; i < columns; ++i) to[i] = to_bfloat(from[i]);
  }
}

void scale_rows(const float* in, int64_t rows, int64_t columns, float factor, float* out, int64_t stride) {
  for (int64_t row = 0; row < rows; ++row) {
    const float* from = in + row * columns;
    float* to = out + row * stride;
    for (int64_t i = 0; i < columns; ++i) to[i] = from[i] * factor;
  }
}

void transpose_rows(const float* in, int64_t rows, int64_t columns, float* out, int64_t stride) {
  transpose_words(reinterpret_cast<const uint32_t*>(in), columns, rows, columns,
                  reinterpret_cast<uint32_t*>(out), stride);
}

void transpose_rows(const Bfloat* in, int64_t stride, int64_t rows, int64_t columns, Bfloat* out) {
  constexpr int64_t strip = 32;  // columns whose row pairs fit in the first-level cache
  uint32_t pairs[strip * 256];
  for (int64_t first = 0; first < columns; first += strip) {
    const int64_t width = columns - first < strip ? columns - first : strip;
    for (int64_t row = 0; row < rows; row += 512) {
      const int64_t count = rows - row < 512 ? rows - row : 512;
      pack_panel(in + row * stride + first, stride, count, width, reinterpret_cast<Bfloat*>(pairs));
      transpose_words(pairs, width, count / 2, width, reinterpret_cast<uint32_t*>(out + first * rows + row),
                      rows / 2);
    }
  }
}

void softmax_rows(float* products, const float* mask, int64_t mask_stride, const ScoreRule& rule,
                  const SoftmaxSize& size, Bfloat* weights) {
  const int64_t columns = size.columns, padded = size.padded;  // which no store can change
  const auto scale = static_cast<float>(rule.scale), cap = static_cast<float>(rule.cap);
  const auto turned = static_cast<float>(rule.scale / rule.cap);
  for (int64_t row = 0; row < size.rows; ++row) {
    float* __restrict x = products + row * padded;
    const float* bias = mask + row * mask_stride;
    Bfloat* __restrict out = weights + row * padded;
    if (cap > 0) {
      for (int64_t i = 0; i < columns; ++i) x[i] = cap * hyperbolic_tangent(x[i] * turned) + bias[i];
    } else {
      for (int64_t i = 0; i < columns; ++i) x[i] = x[i] * scale + bias[i];
    }
    const float top = row_most(columns, x);
    for (int64_t i = 0; i < columns; ++i) {
      const float power = exponential(x[i] - top);
      x[i] = bias[i] < 0 ? 0 : power;
    }
    const float factor = 1 / row_sum(columns, [x](int64_t i) { return x[i]; });
    for (int64_t i = 0; i < columns; ++i) out[i] = to_bfloat(x[i] * factor);
    for (int64_t i = columns; i < padded; ++i) out[i] = 0;
  }
}

void capped_slopes(const float* products, const ScoreRule& rule, const SoftmaxSize& size, float* slopes) {
  const auto turned = static_cast<float>(rule.scale / rule.cap);
  for (int64_t row = 0; row < size.rows; ++row) {
    const float* x = products + row * size.padded;
    float* __restrict out = slopes + row * size.padded;
    for (int64_t i = 0; i < size.columns; ++i) {
      const float bent = hyperbolic_tangent(x[i] * turned);
      out[i] = 1 - bent * bent;
    }
  }
}

void softmax_backward_rows(const float* d_weights, const Bfloat* weights, const ScoreRule& rule,
                           const float* slopes, const SoftmaxSize& size, Bfloat* d_products) {
  const int64_t columns = size.columns, padded = size.padded;  // which no store can change
  const auto scale = static_cast<float>(rule.scale);
  for (int64_t row = 0; row < size.rows; ++row) {
    const float* d = d_weights + row * padded;
    const Bfloat* w = weights + row * padded;
    Bfloat* __restrict out = d_products + row * padded;
    const float inner = row_sum(columns, [=](int64_t i) { return d[i] * from_bfloat(w[i]); });
    if (slopes) {
      const float* slope = slopes + row * padded;
      for (int64_t i = 0; i < columns; ++i)
        out[i] = to_bfloat((d[i] - inner) * from_bfloat(w[i]) * scale * slope[i]);
    } else {
      for (int64_t i = 0; i < columns; ++i) out[i] = to_bfloat((d[i] - inner) * from_bfloat(w[i]) * scale);
    }
    for (int64_t i = columns; i < padded; ++i) out[i] = 0;
  }
}

}  // namespace apportion
