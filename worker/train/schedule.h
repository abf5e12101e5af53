// The learning rate of a step.
#pragma once

#include "shared/config/run_config.h"

namespace apportion {

/// Linear warm-up over `warmup_steps`, then constant, or a cosine down to zero at `steps`. `step` counts from
/// 0.
double learning_rate(const OptimizerConfig& config, double peak, int step, int steps);

}  // namespace apportion
