// The learning rate of a step, and when a stage ends.
#pragma once

#include "shared/config/run_config.h"
#include "shared/link/message.h"

namespace apportion {

/// Linear warm-up over `warmup_steps`, then constant, or a cosine down to zero at `steps`. `step` counts from
/// 0.
double learning_rate(const OptimizerConfig& config, double peak, int step, int steps);

/// How long a stage is, as far as it is known: `steps`, of which those from `cooldown` on have a rate that
/// falls.
struct StageEnd {
  int steps = 0;
  int cooldown = 0;  // equal to steps as long as no cool-down has begun
};

/// The stage's end as its log so far decides: the first step after which the mean KL of the last
/// `epoch_steps` steps (each prompt once) is below stop.kl, and their mean coverage above 1 - stop.kl, begins
/// the cool-down. A function of the log alone, so that an interrupted stage that goes on ends where it would
/// have.
StageEnd stage_end(const StopConfig& stop, const TrainLog& log, int epoch_steps, int steps);

/// As learning_rate at the beginning of the cool-down, then along a cosine down to zero at the end.
double learning_rate(const OptimizerConfig& config, double peak, int step, int steps, const StageEnd& end);

}  // namespace apportion
