// Chooses the instruction set whose kernels (row_kernels.cpp) this machine uses.
#include "worker/kernels/row_kernels.h"

namespace apportion {

namespace baseline {
extern const KernelSet kernel_set;
}
#ifdef __x86_64__
namespace avx2 {
extern const KernelSet kernel_set;
}
namespace avx512 {
extern const KernelSet kernel_set;
}
#endif

const KernelSet& kernel_set() {
#ifdef __x86_64__
  if (__builtin_cpu_supports("x86-64-v4")) return avx512::kernel_set;
  if (__builtin_cpu_supports("x86-64-v3")) return avx2::kernel_set;
#endif
  return baseline::kernel_set;
}

template <>
const RowKernels<float>& row_kernels<float>() {
  return kernel_set().of_float;
}

template <>
const RowKernels<Bfloat>& row_kernels<Bfloat>() {
  return kernel_set().of_bfloat;
}

}  // namespace apportion
