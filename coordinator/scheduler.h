// What to start next: a pure function from the state of the tasks and the idle ranks to assignments.
// How large groups are is group_layout.h's business; sending and waiting is coordinator.h's.
#pragma once

#include <cstddef>
#include <vector>

#include "coordinator/group_layout.h"
#include "shared/config/task.h"

namespace apportion {

enum class TaskState { waiting, running, done };

/// Task number `task` of the list is to be run by `ranks` (ascending, at least one).
struct Assignment {
  size_t task;
  std::vector<int> ranks;
};

/// Assignments of waiting tasks whose inputs are all done to idle ranks; no task and no rank twice. With any
/// idle rank and any such task there is at least one. `states` goes with `tasks`; `idle_ranks` is ascending;
/// `ranks` is the number of all ranks of the job. Throws InternalError for an input that is not in the list.
std::vector<Assignment> next_assignments(const std::vector<Task>& tasks, const std::vector<TaskState>& states,
                                         const std::vector<int>& idle_ranks, int ranks,
                                         const GroupOptions& options);

}  // namespace apportion
