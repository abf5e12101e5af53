// Compiled with APPORTION_ISA = baseline, avx2, avx512 and that set's flags. No function of other headers may
// be compiled here: the linker could give it to machines without the set.
#include "worker/kernels/row_kernels.h"

#include "worker/kernels/kernel_math.h"

namespace apportion {
namespace {

inline float wide(float value) { return value; }
inline float wide(Bfloat value) { return from_bfloat(value); }

inline void put(float value, float& to) { to = value; }
inline void put(float value, Bfloat& to) { to = to_bfloat(value); }

template <typename Value>
inline void rms_norm(const float* x_TC, const float* weight, float epsilon, int64_t rows, int64_t width,
                     float* scale_T, Value* y_TC) {
  for (int64_t row = 0; row < rows; ++row) {
    const float* x = x_TC + row * width;
    Value* __restrict y = y_TC + row * width;
    const float mean = row_sum(width, [x](int64_t i) { return x[i] * x[i]; }) / static_cast<float>(width);
    const float scale = 1 / __builtin_sqrtf(mean + epsilon);
    scale_T[row] = scale;
    for (int64_t i = 0; i < width; ++i) put(x[i] * scale * weight[i], y[i]);
  }
}

template <typename Value>
inline void rms_norm_backward(const Value* dy_TC, const float* x_TC, const float* weight,
                              const float* scale_T, int64_t rows, int64_t width, float* dx_TC) {
  for (int64_t row = 0; row < rows; ++row) {
    const float* x = x_TC + row * width;
    const Value* dy = dy_TC + row * width;
    float* __restrict dx = dx_TC + row * width;
    const float scale = scale_T[row];
    const float sum = row_sum(width, [=](int64_t i) { return wide(dy[i]) * weight[i] * x[i]; });
    const float inner = sum / static_cast<float>(width) * scale * scale;
    for (int64_t i = 0; i < width; ++i) dx[i] = (wide(dy[i]) * weight[i] - x[i] * inner) * scale;
  }
}

template <typename Value>
inline void rotate(const Value* __restrict in, const float* cos_TD, const float* sin_TD, const HeadRows& size,
                   float direction, Value* out) {
  const int64_t half = size.head_dim / 2;
  for (int64_t row = 0; row < size.rows; ++row) {
    const float *cos = cos_TD + row * half, *sin = sin_TD + row * half;
    for (int64_t head = 0; head < size.heads; ++head) {
      const Value* x = in + row * size.in_stride + head * size.head_dim;
      Value* __restrict y = out + row * size.out_stride + head * size.head_dim;
      for (int64_t i = 0; i < half; ++i) {
        const float first = wide(x[i]), second = wide(x[i + half]), s = direction * sin[i];
        put(first * cos[i] - second * s, y[i]);
        put(second * cos[i] + first * s, y[i + half]);
      }
    }
  }
}

/// Both activations are x sigmoid(f(x)): with f(x) = x it is silu, and since (1 + tanh u) / 2 = sigmoid(2 u),
/// gelu in its tanh form has f(x) = 2 sqrt(2 / pi) (x + 0.044715 x^3).
struct Silu {
  static float inside(float x) { return x; }
  static float slope(float) { return 1; }
};
struct Gelu {
  static constexpr float factor = 1.5957691216F, cubic = 0.044715F;
  static float inside(float x) { return factor * (x + cubic * x * x * x); }
  static float slope(float x) { return factor * (1 + 3 * cubic * x * x); }
};

template <typename Activation, typename Value>
inline void gated(const Value* gate_up, int64_t rows, int64_t inner, Value* out) {
  for (int64_t row = 0; row < rows; ++row) {
    const Value* __restrict gate = gate_up + row * 2 * inner, * __restrict up = gate + inner;
    Value* __restrict y = out + row * inner;
    for (int64_t i = 0; i < inner; ++i) {
      const float g = wide(gate[i]);
      put(g / (1 + exponential(-Activation::inside(g))) * wide(up[i]), y[i]);
    }
  }
}

template <typename Activation, typename Value>
inline void gated_backward(const Value* d_TF, const Value* gate_up, int64_t rows, int64_t inner,
                           Value* d_gate_up) {
  for (int64_t row = 0; row < rows; ++row) {
    const Value* __restrict gate = gate_up + row * 2 * inner, * __restrict up = gate + inner, * __restrict d = d_TF + row * inner;
    Value* __restrict d_gate = d_gate_up + row * 2 * inner, * __restrict d_up = d_gate + inner;
    for (int64_t i = 0; i < inner; ++i) {
      const float g = wide(gate[i]), sigmoid = 1 / (1 + exponential(-Activation::inside(g)));
      put(wide(d[i]) * wide(up[i]) * sigmoid * (1 + g * (1 - sigmoid) * Activation::slope(g)), d_gate[i]);
      put(wide(d[i]) * g * sigmoid, d_up[i]);
    }
  }
}

template <typename Value>
void add(const float* __restrict x, const Value* __restrict y, int64_t count, float* __restrict out) {
  for (int64_t i = 0; i < count; ++i) out[i] = x[i] + wide(y[i]);
}

template <typename Value>
void scale(const float* __restrict x, float factor, int64_t count, Value* __restrict out) {
  for (int64_t i = 0; i < count; ++i) put(x[i] * factor, out[i]);
}

void accumulate(const float* __restrict in, int64_t count, float* __restrict out) {
  for (int64_t i = 0; i < count; ++i) out[i] += in[i];
}

void adam(const AdamStep& step, const float* __restrict gradient, int64_t count,
          float* __restrict first_moment, float* __restrict second_moment, float* __restrict values) {
  const AdamStep s = step;
  for (int64_t i = 0; i < count; ++i) {
    const float g = gradient[i] * s.clip;
    const float first = first_moment[i] * s.beta1 + g * s.rest1;
    const float second = second_moment[i] * s.beta2 + g * g * s.rest2;
    first_moment[i] = first;
    second_moment[i] = second;
    values[i] =
        values[i] * s.decay - s.rate * first / (__builtin_sqrtf(second) / s.root_correction + s.epsilon);
  }
}

template <typename Value>
constexpr RowKernels<Value> kernels = {rms_norm<Value>,
                                       rms_norm_backward<Value>,
                                       rotate<Value>,
                                       gated<Silu, Value>,
                                       gated_backward<Silu, Value>,
                                       gated<Gelu, Value>,
                                       gated_backward<Gelu, Value>,
                                       add<Value>,
                                       scale<Value>};

}  // namespace

namespace APPORTION_ISA {

extern const KernelSet kernel_set;
const KernelSet kernel_set = {accumulate, adam, kernels<float>, kernels<Bfloat>};

}  // namespace APPORTION_ISA
}  // namespace apportion
