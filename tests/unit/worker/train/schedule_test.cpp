// Warm-up, constant and cosine rates at their corners.
#include "worker/train/schedule.h"

#include <gtest/gtest.h>

namespace apportion {
namespace {

TEST(Schedule, WarmsUpThenFallsAlongACosine) {
  OptimizerConfig config;
  config.warmup_steps = 10;
  EXPECT_DOUBLE_EQ(learning_rate(config, 2.0, 0, 110), 0.2);
  EXPECT_DOUBLE_EQ(learning_rate(config, 2.0, 9, 110), 2.0);
  EXPECT_DOUBLE_EQ(learning_rate(config, 2.0, 10, 110), 2.0);
  EXPECT_NEAR(learning_rate(config, 2.0, 60, 110), 1.0, 1e-12);
  EXPECT_LT(learning_rate(config, 2.0, 109, 110), 0.001);
}

TEST(Schedule, StaysConstantWhenAsked) {
  OptimizerConfig config;
  config.schedule = LearningRateSchedule::constant;
  EXPECT_DOUBLE_EQ(learning_rate(config, 3.0, 99, 100), 3.0);
}

TEST(Schedule, AStageShorterThanItsWarmUpStillReachesThePeak) {
  OptimizerConfig config;
  config.warmup_steps = 10;
  EXPECT_DOUBLE_EQ(learning_rate(config, 1.0, 2, 3), 1.0);
}

}  // namespace
}  // namespace apportion
