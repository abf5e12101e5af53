#include "worker/kernels/micro_kernel.h"

#include <ATen/native/CPUBlas.h>

#include <exception>
#include <vector>

namespace apportion {
namespace {

const at::BFloat16* values(const Bfloat* bits) { return reinterpret_cast<const at::BFloat16*>(bits); }

#ifdef __x86_64__
/// Whether a product of whole numbers, in panel order and added to itself, comes out right.
bool multiplies_right() {
  constexpr int64_t rows = 3, inner = 34, columns = 2;
  auto number = [](int64_t i, int64_t j) { return static_cast<float>((3 * i + 5 * j) % 11); };
  std::vector<Bfloat> left, panel;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t k = 0; k < inner; ++k) left.push_back(to_bfloat(number(i, k)));
  }
  for (int64_t k = 0; k < inner; k += 2) {
    for (int64_t j = 0; j < columns; ++j) {
      for (int64_t odd : {0, 1}) panel.push_back(to_bfloat(number(k + odd, j)));
    }
  }
  std::vector<float> sums(rows * columns);
  const MatrixState state;
  for (bool add : {false, true})
    multiply_panel({rows, inner, columns}, left.data(), inner, panel.data(), add, sums.data());
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      float sum = 0;
      for (int64_t k = 0; k < inner; ++k) sum += 2 * number(i, k) * number(k, j);
      if (sums[static_cast<size_t>(i * columns + j)] != sum) return false;
    }
  }
  return true;
}
#endif

bool micro_kernel_runs() {
#ifdef __x86_64__
  for (bool has : {__builtin_cpu_supports("avx512f"), __builtin_cpu_supports("avx512bw"),
                   __builtin_cpu_supports("avx512vl"), __builtin_cpu_supports("avx512dq"),
                   __builtin_cpu_supports("avx512bf16")}) {
    if (!has) return false;
  }
  try {
    return multiplies_right();
  } catch (const std::exception&) {
    return false;  // ONEDNN_MAX_CPU_ISA may rule it out
  }
#else
  return false;
#endif
}

}  // namespace

bool has_panel_products() {
  static const bool has = micro_kernel_runs();
  return has;
}

uint32_t panel_fingerprint() {
  if (!has_panel_products()) return 0;
  constexpr int64_t inner = 512;
  std::vector<Bfloat> left, panel;
  for (int64_t k = 0; k < inner; ++k) {  // thirds and sevenths: no order makes their sums exact
    left.push_back(to_bfloat(static_cast<float>(k % 61 + 1) / 3));
    panel.push_back(to_bfloat(static_cast<float>(k % 53 - 26) / 7));
  }
  float sum = 0;
  const MatrixState state;
  multiply_panel({1, inner, 1}, left.data(), inner, panel.data(), false, &sum);
  return __builtin_bit_cast(uint32_t, sum);
}

MatrixState::~MatrixState() { at::native::cpublas::brgemm_release(); }

void multiply_panel(const PanelSize& size, const Bfloat* left, int64_t stride, const Bfloat* panel, bool add,
                    float* sums) {
  at::native::cpublas::brgemm(size.rows, size.columns, size.inner, stride, size.columns, size.columns, add,
                              values(left), values(panel), sums);
}

}  // namespace apportion
