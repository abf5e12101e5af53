// A rank's side of the work: take a task, run it with its group, report. Control messages go through the
// link; what a task computes is in train/ and sample/.
#pragma once

#include "shared/config/run_config.h"
#include "shared/link/link.h"

namespace apportion {

/// Serves tasks until Stop arrives. Of `allowed_threads` a power of two is used. Throws what the task throws;
/// the caller reports it to the coordinator.
void serve(Link& link, const RunConfig& config, int local_rank, int allowed_threads);

}  // namespace apportion
