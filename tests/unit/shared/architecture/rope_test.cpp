// What scales the rotations. tests/conformance/families shows that they equal transformers'.
#include "shared/architecture/rope.h"

#include <gtest/gtest.h>

namespace apportion {
namespace {

TEST(Rope, LinearScalingHasOneDivisor) {
  EXPECT_TRUE(is_linear({}));
  EXPECT_TRUE(is_linear({4, 4, 4}));
  EXPECT_FALSE(is_linear({4, 4, 4.5}));
  EXPECT_FALSE(is_linear(llama3_divisors(16, 10000, {})));
}

}  // namespace
}  // namespace apportion
