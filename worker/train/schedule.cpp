#include "worker/train/schedule.h"

#include <algorithm>
#include <cmath>

namespace apportion {

double learning_rate(const OptimizerConfig& config, double peak, int step, int steps) {
  constexpr double pi = 3.14159265358979323846;
  const int warmup = std::min(config.warmup_steps, steps);
  if (step < warmup) return peak * (step + 1) / warmup;
  if (config.schedule == LearningRateSchedule::constant || steps == warmup) return peak;
  return peak * 0.5 * (1 + std::cos(pi * (step - warmup) / (steps - warmup)));
}

}  // namespace apportion
