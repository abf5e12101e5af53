// NaN and infinities in every type of element.
#include "shared/model_files/finite.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "tests/support/tiny_gguf.h"

namespace apportion {
namespace {

TEST(Finite, FindsTheFirstFloatThatIsNone) {
  std::vector<float> values(10000, 1.0F);
  const auto found = [&] {
    return first_not_finite(TensorType::f32,
                            {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
  };
  values[7] = std::numeric_limits<float>::max();
  EXPECT_FALSE(found());
  values[9999] = NAN;
  EXPECT_EQ(found(), 9999U);
  values[5000] = -INFINITY;
  EXPECT_EQ(found(), 5000U);
}

TEST(Finite, FindsScalesOfBlocksAndShortFloats) {
  for (const TensorType type : all_tensor_types()) {
    if (type == TensorType::f32) continue;
    const BlockLayout layout = block_layout(type);
    std::string bytes = random_weights(type, 64 * layout.elements, 0.1F, 1, "finite");
    EXPECT_FALSE(first_not_finite(type, bytes)) << type_name(type);
    const auto infinity = static_cast<uint16_t>(type == TensorType::bf16 ? 0x7F80 : 0xFC00);
    const uint64_t last_scale = type == TensorType::bf16 ? 0 : half_offsets(type).back();
    std::memcpy(bytes.data() + 5 * layout.bytes + last_scale, &infinity, sizeof infinity);
    EXPECT_EQ(first_not_finite(type, bytes), 5 * layout.elements) << type_name(type);
  }
}

}  // namespace
}  // namespace apportion
