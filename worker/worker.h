// A rank's side of the work: take a task, run it with its group, report. Control messages go through the
// link; what a task computes is in train/ and sample/.
#pragma once

#include <exception>

#include "shared/link/link.h"
#include "shared/link/message.h"

namespace apportion {

/// Where a rank is: its number among the `local_ranks` of its machine, and the threads that it may use.
struct RankPlace {
  int local_rank = 0, local_ranks = 1, allowed_threads = 1;
};

/// What was thrown as one line for people, with its exit code.
Failed failure_of(const std::exception& error);

/// Serves tasks until Stop arrives, whose exit code comes back: of the configuration it sees what comes with
/// each. Of the allowed threads a power of two is used. What a task throws on a rank that is alone at it is
/// told the coordinator, and the next one is waited for, as where a task pauses; else it comes out of here,
/// and the caller reports it.
int serve(Link& link, const RankPlace& place);

}  // namespace apportion
