#include "worker/panels/micro_kernel.h"

#include <ATen/native/CPUBlas.h>

#include <exception>
#include <vector>

namespace apportion {
namespace {

const at::BFloat16* values(const Bfloat* bits) { return reinterpret_cast<const at::BFloat16*>(bits); }

bool micro_kernel_runs() {
#ifdef __x86_64__
  if (!__builtin_cpu_supports("avx512bf16") || !__builtin_cpu_supports("x86-64-v4")) return false;
  try {
    const std::vector<Bfloat> ones(64, 0x3f80);
    float sums[4] = {};
    const MatrixState state;
    multiply_panel({2, 32, 2}, ones.data(), 32, ones.data(), false, sums);
    return sums[0] == 32 && sums[3] == 32;
  } catch (const std::exception&) {
    return false;  // it is made of what ONEDNN_MAX_CPU_ISA allows
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

MatrixState::~MatrixState() { at::native::cpublas::brgemm_release(); }

void multiply_panel(const PanelSize& size, const Bfloat* left, int64_t stride, const Bfloat* panel, bool add,
                    float* sums) {
  at::native::cpublas::brgemm(size.rows, size.columns, size.inner, stride, size.columns, size.columns, add,
                              values(left), values(panel), sums);
}

}  // namespace apportion
