// Groups over the pretended NCCL: each rank is a thread with a pretended GPU, and what ranks say to each
// other outside of NCCL goes over make_threads_collectives.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/pretend_nccl/pretend_nccl.h"
#include "worker/parallel/collectives.h"

namespace apportion {

/// What one rank's thread has: it forms groups one after another, each with the other ranks.
struct PretendRank {
  int rank = 0;
  std::shared_ptr<NcclPool> pool;
  /// A new group of all ranks. The groups of a run are numbered in the order of these calls.
  std::function<std::unique_ptr<Collectives>()> form;
};

struct PretendRun {
  int ranks = 1, groups = 1;                      // the most that are formed
  double timeout_s = 50, connect_timeout_s = 50;  // of groups
  double end_timeout_s = 50;                      // of the pools' end
  /// What lies between NCCL and the threads' collectives, for tests that watch or disturb it.
  std::function<std::unique_ptr<Collectives>(std::unique_ptr<Collectives>)> around_control = {};
};

/// What is left to see when all ranks are gone.
struct PretendOutcome {
  NcclCounts counts;
  std::vector<std::string> faults;
};

/// Runs `work` on every rank, then closes the pools. What a rank throws is a failure of the test.
PretendOutcome run_pretend_ranks(const PretendRun& run, const std::function<void(PretendRank&)>& work);

}  // namespace apportion
