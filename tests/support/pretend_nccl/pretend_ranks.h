// Groups over the pretended NCCL: each rank is a thread with a pretended GPU, and messages outside NCCL go
// over make_threads_collectives.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/pretend_nccl/pretend_nccl.h"
#include "worker/parallel/collectives.h"

namespace apportion {

/// What one rank's thread has. It forms groups with the other ranks, one after another.
struct PretendRank {
  int rank = 0;
  std::shared_ptr<NcclPool> pool;
  /// Forms a new group of all ranks. Groups of a run are numbered in the order of these calls.
  std::function<std::unique_ptr<Collectives>()> form;
};

struct PretendRun {
  int ranks = 1, groups = 1;                      // most groups that are formed
  double timeout_s = 50, connect_timeout_s = 50;  // of groups
  double end_timeout_s = 50;                      // of closing the pools
  /// Wraps the threads' collectives that NCCL's control uses, for tests that watch or disturb them.
  std::function<std::unique_ptr<Collectives>(std::unique_ptr<Collectives>)> around_control = {};
};

/// What remains to be seen after all ranks have ended.
struct PretendOutcome {
  NcclCounts counts;
  std::vector<std::string> faults;
};

/// Runs `work` on every rank, then closes the pools. An exception on a rank fails the test.
PretendOutcome run_pretend_ranks(const PretendRun& run, const std::function<void(PretendRank&)>& work);

}  // namespace apportion
