// The learning rate of a step, and when a stage ends.
#pragma once

#include "shared/config/run_config.h"
#include "shared/link/message.h"

namespace apportion {

/// Linear warm-up over `warmup_steps`, then constant, or down to zero at `steps`: along a cosine, or as the
/// square of the share of steps left. `step` counts from 0.
double learning_rate(const OptimizerConfig& config, double peak, int step, int steps);

/// How long a stage is, as far as known: `steps`, with a falling rate from step `cooldown` on.
struct StageEnd {
  int steps = 0;
  int cooldown = 0;  // equal to steps until a cool-down begins
};

/// The stage's end, from its log so far. The cool-down begins after the first step at which the mean KL of
/// the last `epoch_steps` steps (each prompt once) is below stop.kl and their mean coverage is above 1 -
/// stop.kl. It depends on the log alone, so a stage that was interrupted ends where it would have ended
/// anyway.
StageEnd stage_end(const StopConfig& stop, const TrainLog& log, int epoch_steps, int steps);

/// As above until the cool-down begins, then along a cosine from the rate there down to zero at the end.
double learning_rate(const OptimizerConfig& config, double peak, int step, int steps, const StageEnd& end);

}  // namespace apportion
