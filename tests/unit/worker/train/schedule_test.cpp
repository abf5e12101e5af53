// Warm-up, constant, cosine and quadratic rates at their turning points.
#include "worker/train/schedule.h"

#include <gtest/gtest.h>

namespace apportion {
namespace {

TEST(Schedule, WarmsUpThenFallsAlongACosine) {
  OptimizerConfig config;
  config.warmup_steps = 10;
  config.schedule = LearningRateSchedule::cosine;
  EXPECT_DOUBLE_EQ(learning_rate(config, 2.0, 0, 110), 0.2);
  EXPECT_DOUBLE_EQ(learning_rate(config, 2.0, 9, 110), 2.0);
  EXPECT_DOUBLE_EQ(learning_rate(config, 2.0, 10, 110), 2.0);
  EXPECT_NEAR(learning_rate(config, 2.0, 60, 110), 1.0, 1e-12);
  EXPECT_LT(learning_rate(config, 2.0, 109, 110), 0.001);
}

TEST(Schedule, FallsAsTheSquareOfWhatIsLeft) {
  OptimizerConfig config;
  config.warmup_steps = 10;
  EXPECT_DOUBLE_EQ(learning_rate(config, 2.0, 9, 110), 2.0);
  EXPECT_DOUBLE_EQ(learning_rate(config, 2.0, 60, 110), 0.5);
  EXPECT_NEAR(learning_rate(config, 2.0, 85, 110), 0.125, 1e-12);
  EXPECT_NEAR(learning_rate(config, 2.0, 109, 110), 2e-4, 1e-12);
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

/// A log with these KLs, one per step, and half of each as missing coverage.
TrainLog log_of(const std::vector<double>& values) {
  TrainLog log;
  for (double value : values) {
    log.kl.push_back(value);
    log.coverage.push_back(1 - value / 2);
  }
  return log;
}

TEST(StageEnd, ComesACoolDownAfterTheFirstEpochBelowTheBound) {
  const StopConfig stop{0.1, 5};
  const std::vector<double> values = {0.01, 0.5, 0.02, 0.02, 0.05, 0.9, 0.01};
  const StageEnd known = stage_end(stop, log_of(values), 3, 100);
  EXPECT_EQ(known.cooldown, 5);  // steps 2 to 4 are the first three with a mean below 0.1
  EXPECT_EQ(known.steps, 10);
  for (size_t steps = 0; steps < 5; ++steps) {
    const StageEnd open = stage_end(stop, log_of({values.begin(), values.begin() + steps}), 3, 100);
    EXPECT_EQ(open.cooldown, 100) << steps;
    EXPECT_EQ(open.steps, 100);
  }
  EXPECT_EQ(stage_end(stop, log_of(values), 3, 9).steps, 9);        // no longer than planned
  EXPECT_EQ(stage_end({0, 5}, log_of(values), 3, 100).steps, 100);  // not requested
}

TEST(StageEnd, NeedsTheCoverageToo) {
  TrainLog log = log_of({0.01, 0.01, 0.01});
  EXPECT_EQ(stage_end({0.1, 5}, log, 2, 100).cooldown, 2);
  for (double& coverage : log.coverage) coverage = 0.8;
  EXPECT_EQ(stage_end({0.1, 5}, log, 2, 100).cooldown, 100);
}

TEST(StageEnd, TheRateFallsFromWhereItWas) {
  OptimizerConfig config;
  config.warmup_steps = 10;
  const StageEnd end{70, 60};
  EXPECT_NEAR(learning_rate(config, 2.0, 60, 110, end), 0.5, 1e-12);  // quadratic, by default
  EXPECT_NEAR(learning_rate(config, 2.0, 65, 110, end), 0.25, 1e-12);
  config.schedule = LearningRateSchedule::cosine;
  EXPECT_DOUBLE_EQ(learning_rate(config, 2.0, 59, 110, end), learning_rate(config, 2.0, 59, 110));
  EXPECT_NEAR(learning_rate(config, 2.0, 60, 110, end), 1.0, 1e-12);
  EXPECT_NEAR(learning_rate(config, 2.0, 65, 110, end), 0.5, 1e-12);
  EXPECT_LT(learning_rate(config, 2.0, 69, 110, end), 0.03);
}

}  // namespace
}  // namespace apportion
