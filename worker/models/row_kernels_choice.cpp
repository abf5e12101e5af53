// Which instruction set's kernels this machine gets. The kernels are row_kernels.cpp's.
#include "worker/models/row_kernels.h"

namespace apportion {

#define APPORTION_KERNELS(isa)                    \
  namespace isa {                                 \
  extern const RowKernels<float> float_kernels;   \
  extern const RowKernels<Bfloat> bfloat_kernels; \
  }
APPORTION_KERNELS(baseline)
#ifdef __x86_64__
APPORTION_KERNELS(avx2)
APPORTION_KERNELS(avx512)
#endif

namespace {

enum class InstructionSet { baseline, avx2, avx512 };

InstructionSet best() {
#ifdef __x86_64__
  if (__builtin_cpu_supports("x86-64-v4")) return InstructionSet::avx512;
  if (__builtin_cpu_supports("x86-64-v3")) return InstructionSet::avx2;
#endif
  return InstructionSet::baseline;
}

}  // namespace

template <>
const RowKernels<float>& row_kernels<float>() {
#ifdef __x86_64__
  if (best() == InstructionSet::avx512) return avx512::float_kernels;
  if (best() == InstructionSet::avx2) return avx2::float_kernels;
#endif
  return baseline::float_kernels;
}

template <>
const RowKernels<Bfloat>& row_kernels<Bfloat>() {
#ifdef __x86_64__
  if (best() == InstructionSet::avx512) return avx512::bfloat_kernels;
  if (best() == InstructionSet::avx2) return avx2::bfloat_kernels;
#endif
  return baseline::bfloat_kernels;
}

}  // namespace apportion
