#include "worker/train/schedule.h"

#include <algorithm>
#include <cmath>

namespace apportion {

namespace {

constexpr double pi = 3.14159265358979323846;

}  // namespace

double learning_rate(const OptimizerConfig& config, double peak, int step, int steps) {
  const int warmup = std::min(config.warmup_steps, steps);
  if (step < warmup) return peak * (step + 1) / warmup;
  if (config.schedule == LearningRateSchedule::constant || steps == warmup) return peak;
  if (config.schedule == LearningRateSchedule::quadratic) {
    const double left = 1 - static_cast<double>(step - warmup) / (steps - warmup);
    return peak * left * left;
  }
  return peak * 0.5 * (1 + std::cos(pi * (step - warmup) / (steps - warmup)));
}

StageEnd stage_end(const StopConfig& stop, const TrainLog& log, int epoch_steps, int steps) {
  const auto epoch = static_cast<size_t>(epoch_steps);
  double kl = 0, missing = 0;
  for (size_t step = 0; stop.kl > 0 && step < log.kl.size(); ++step) {
    kl += log.kl[step];
    missing += 1 - log.coverage[step];
    if (step >= epoch) {
      kl -= log.kl[step - epoch];
      missing -= 1 - log.coverage[step - epoch];
    }
    if (step + 1 < epoch || std::max(kl, missing) >= stop.kl * epoch_steps) continue;
    const int cooldown = static_cast<int>(step) + 1;
    if (cooldown + stop.cooldown_steps < steps) return {cooldown + stop.cooldown_steps, cooldown};
    break;
  }
  return {steps, steps};
}

double learning_rate(const OptimizerConfig& config, double peak, int step, int steps, const StageEnd& end) {
  if (step < end.cooldown) return learning_rate(config, peak, step, steps);
  const double from = learning_rate(config, peak, end.cooldown, steps);
  return from * 0.5 * (1 + std::cos(pi * (step - end.cooldown) / (end.steps - end.cooldown)));
}

}  // namespace apportion
