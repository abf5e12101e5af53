// A rank's side of the work: take a task, run it with its group, report. Control messages go through the
// link; what a task computes is in train/ and sample/.
#pragma once

#include "shared/config/run_config.h"
#include "shared/link/link.h"

namespace apportion {

/// Where a rank is: its number among the `local_ranks` of its machine, and the threads that it may use.
struct RankPlace {
  int local_rank = 0, local_ranks = 1, allowed_threads = 1;
};

/// Serves tasks until Stop arrives; its exit code comes back: other than 0 the run ends. Of the allowed
/// threads a power of two is used. Throws what the task throws, but for TaskPaused; the caller reports it to
/// the coordinator.
int serve(Link& link, const RunConfig& config, const RankPlace& place);

}  // namespace apportion
