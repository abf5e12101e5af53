// What to start next, and on how many ranks: the tasks that are ready, in their order, and how idle ranks are
// dealt to them. Sending and waiting is coordinator.h's business, whose a task is while several runs work in
// one folder claims.h's.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <utility>
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

/// elsewhere: another run is at it. failed: it was tried, or what it needs was, and is not tried again.
enum class TaskState { waiting, running, elsewhere, done, failed };

/// Cells whose work is longest come first, so that no long one is left over at the end, and each is brought
/// to its end before the next begins. In a cell, plan: as the tasks stand, in which the untouched model is
/// measured first; for one group alone. longest_first: by the length of what waits for a task.
enum class TaskOrder { plan, longest_first };

/// The tasks of a run with their states. Finding the next one takes time in the number asked for, not in that
/// of all tasks.
class TaskPool {
 public:
  /// Every task comes after its inputs, which are all among them; `states` goes with `tasks`, and `cells`
  /// says which cell each is of (empty: all of one). Throws InternalError for an input that is not there.
  TaskPool(std::vector<Task> tasks, const std::vector<TaskState>& states, TaskOrder order,
           const std::vector<size_t>& cells = {});

  const std::vector<Task>& tasks() const { return tasks_; }
  TaskState state(size_t task) const { return states_[task]; }
  void set(size_t task, TaskState state);

  /// At most `most` waiting tasks whose inputs are done: first those of `model` (a model's digest), which is
  /// loaded already, and each in the pool's order.
  std::vector<size_t> ready(size_t most, const std::string& model) const;
  std::vector<size_t> elsewhere() const { return {elsewhere_.begin(), elsewhere_.end()}; }
  bool has_running() const { return running_ > 0; }
  bool has_ready() const { return !ready_.empty(); }

 private:
  void count(size_t task, int change);
  void add_ready(size_t task);

  std::vector<Task> tasks_;
  std::vector<TaskState> states_;
  std::vector<std::vector<size_t>> dependents_;
  std::vector<size_t> missing_;  // inputs that are not done
  std::vector<size_t> place_;    // in the order
  std::set<size_t> elsewhere_;
  std::map<std::string, std::set<std::pair<size_t, size_t>>> ready_;  // by model: place, task
  int running_ = 0;
};

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
