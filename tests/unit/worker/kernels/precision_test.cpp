// The precision LibTorch multiplies with on a GPU, whatever was set before. These are LibTorch's settings and
// need no GPU.
#include "worker/kernels/precision.h"

#include <ATen/Context.h>
#include <gtest/gtest.h>

namespace apportion {
namespace {

TEST(Precision, IsFloat32sOwnWhateverWasSet) {
  at::Context& context = at::globalContext();
  context.setAllowTF32CuBLAS(true);
  context.setAllowTF32CuDNN(true);
  context.setAllowBF16ReductionCuBLAS(true);
  context.setAllowFP16ReductionCuBLAS(true);
  context.setAllowFP16AccumulationCuBLAS(true);
  ASSERT_TRUE(context.allowTF32CuBLAS());
  pin_precision();
  EXPECT_FALSE(context.allowTF32CuBLAS());
  EXPECT_FALSE(context.allowTF32CuDNN(at::Float32Op::CONV));
  EXPECT_FALSE(context.allowTF32CuDNN(at::Float32Op::RNN));
  EXPECT_EQ(context.float32MatmulPrecision(), at::Float32MatmulPrecision::HIGHEST);
  EXPECT_EQ(context.float32Precision(at::Float32Backend::CUDA, at::Float32Op::MATMUL),
            at::Float32Precision::IEEE);
  EXPECT_NE(context.allowBF16ReductionCuBLAS(), at::CuBLASReductionOption::AllowReducedPrecisionWithSplitK);
  EXPECT_NE(context.allowFP16ReductionCuBLAS(), at::CuBLASReductionOption::AllowReducedPrecisionWithSplitK);
  EXPECT_FALSE(context.allowFP16AccumulationCuBLAS());
}

}  // namespace
}  // namespace apportion
