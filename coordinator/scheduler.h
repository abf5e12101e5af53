// On how many ranks tasks start: how idle ranks are dealt to those that are ready. Which those are is
// task_pool.h's business, sending and waiting coordinator.h's.
#pragma once

#include <cstddef>
#include <vector>

#include "coordinator/task_pool.h"

namespace apportion {

struct GroupOptions {
  int group_size = 0;  // 0: idle ranks are divided; else the size of every group, clamped to the idle ranks
  int micro_batches = 1;  // the most ranks that a divided group gets: more could not share a step
  int shard_size = 1;     // every group's size is a multiple: so many ranks hold the base together
};

/// Sizes of the groups for tasks of these weights (> 0), in order of importance; 0 for a task that has to
/// wait. Sizes add to at most `idle`.
std::vector<int> group_sizes(const std::vector<double>& weights, int idle, const GroupOptions& options);

/// Task number `task` of the pool is to be run by `ranks` (ascending, at least one).
struct Assignment {
  size_t task;
  std::vector<int> ranks;
};

/// Deals idle ranks (ascending) to the `ready` tasks of the pool, in their order. With shard_size idle ranks
/// and any such task there is at least one assignment.
std::vector<Assignment> next_assignments(const TaskPool& pool, const std::vector<size_t>& ready,
                                         const std::vector<int>& idle_ranks, const GroupOptions& options);

}  // namespace apportion
