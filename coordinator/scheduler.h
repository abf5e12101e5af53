// How many ranks each task starts on: deals idle ranks to the tasks that are ready. task_pool.h says which
// are ready, coordinator.h sends and waits.
#pragma once

#include <cstddef>
#include <vector>

#include "coordinator/task_pool.h"

namespace apportion {

struct GroupOptions {
  int group_size = 0;     // 0: idle ranks are divided; else the size of every group, at most the idle ranks
  int micro_batches = 1;  // the most ranks a group gets when they are divided: more could not share a step
  int shard_size = 1;     // ranks that hold one base together; every group's size is a multiple of it
};

/// Sizes of the groups for tasks of these weights (> 0), in order of importance; 0 for a task that has to
/// wait. They add up to at most `idle`.
std::vector<int> group_sizes(const std::vector<double>& weights, int idle, const GroupOptions& options);

/// Task number `task` of the pool will be run by `ranks` (ascending, at least one).
struct Assignment {
  size_t task;
  std::vector<int> ranks;
};

/// Deals idle ranks (ascending) to the `ready` tasks of the pool, in their order. If shard_size ranks are
/// idle and a task is ready there is at least one assignment.
std::vector<Assignment> next_assignments(const TaskPool& pool, const std::vector<size_t>& ready,
                                         const std::vector<int>& idle_ranks, const GroupOptions& options);

}  // namespace apportion
