// What the peak is measured with: a GPU's products are large enough that waits between them do not matter.
#include "worker/peak.h"

#include <gtest/gtest.h>

#include <cmath>

namespace apportion {
namespace {

TEST(Peak, AGpuMultipliesLongBetweenTwoWaits) {
  constexpr double fast = 1e15, wait = 2e-5;  // FLOP/s of a GPU, seconds of a wait and of a launch
  for (const PeakProduct& product : peak_products(at::kCUDA)) {
    const double flops = 2.0 * static_cast<double>(product.m * product.k * product.n);
    EXPECT_GT(product.at_once * flops / fast, 50 * wait) << product.m;
    EXPECT_GT(flops / fast, wait) << product.m;
  }
  EXPECT_EQ(peak_products(at::kCUDA).front().m, 8192);
}

TEST(Peak, ACpuMultipliesOneAtATime) {
  for (const PeakProduct& product : peak_products(at::kCPU)) EXPECT_EQ(product.at_once, 1);
}

TEST(Peak, IsARateWhateverTheNumberAtOnce) {
  for (int at_once : {1, 3}) {
    const double rate = best_rate({{64, 64, 64, at_once}}, at::kFloat, at::kCPU);
    EXPECT_TRUE(std::isfinite(rate));
    EXPECT_GT(rate, 1e6);
  }
}

}  // namespace
}  // namespace apportion
