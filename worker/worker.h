// A rank's side of the work: take a task, run it with the group, report. Control messages go through the
// link; train/ and sample/ have what a task computes.
#pragma once

#include <exception>

#include "shared/link/link.h"
#include "shared/link/message.h"

namespace apportion {

/// A rank's number among the `local_ranks` of its machine, and how many threads it may use.
struct RankPlace {
  int local_rank = 0, local_ranks = 1, allowed_threads = 1;
};

/// The exception as one line for people, with its exit code.
Failed failure_of(const std::exception& error);

/// Serves tasks until Stop arrives, and returns Stop's exit code. It sees only the configuration that comes
/// with each task. It uses the largest power of two of the allowed threads. When a task pauses, or fails on a
/// rank that runs it alone on a CPU (except with a StorageError), it tells the coordinator and waits for the
/// next task. Other exceptions leave this function, and the caller reports them.
int serve(Link& link, const RankPlace& place);

}  // namespace apportion
