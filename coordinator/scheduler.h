// What to start next, and on how many ranks: pure functions from the state of the tasks and the idle ranks to
// assignments. Sending and waiting is coordinator.h's business.
#pragma once

#include <cstddef>
#include <vector>

#include "shared/config/task.h"

namespace apportion {

struct GroupOptions {
  int group_size = 0;  // 0: idle ranks are divided; else the size of every group, clamped to the idle ranks
  int micro_batches = 1;  // the most ranks that a divided group gets: more could not share a step
  int shard_size = 1;     // every group's size is a multiple: so many ranks hold the base together
};

/// Sizes of the groups for tasks of these weights (> 0), in order of importance; 0 for a task that has to
/// wait. Sizes add to at most `idle`.
std::vector<int> group_sizes(const std::vector<double>& weights, int idle, const GroupOptions& options);

enum class TaskState { waiting, running, done };

/// Task number `task` of the list is to be run by `ranks` (ascending, at least one).
struct Assignment {
  size_t task;
  std::vector<int> ranks;
};

/// Assignments of waiting tasks whose inputs are all done to idle ranks; no task and no rank twice. With any
/// idle rank (shard_size of them) and any such task there is at least one. `states` goes with `tasks`;
/// `idle_ranks` is ascending; `ranks` is the number of all ranks of the job. Throws InternalError for an
/// input that is not in the list.
std::vector<Assignment> next_assignments(const std::vector<Task>& tasks, const std::vector<TaskState>& states,
                                         const std::vector<int>& idle_ranks, int ranks,
                                         const GroupOptions& options);

}  // namespace apportion
