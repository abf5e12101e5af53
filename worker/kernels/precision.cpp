#include "worker/kernels/precision.h"

#include <ATen/Context.h>

namespace apportion {

void pin_precision() {
  at::Context& context = at::globalContext();
  context.setAllowTF32CuBLAS(false);           // "highest", even with TORCH_ALLOW_TF32_CUBLAS_OVERRIDE
  context.setAllowTF32CuDNN(false);            // on by default
  context.setAllowBF16ReductionCuBLAS(false);  // on by default
  context.setAllowFP16ReductionCuBLAS(false);
  context.setAllowFP16AccumulationCuBLAS(false);
}

}  // namespace apportion
