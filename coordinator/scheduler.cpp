// The choice of the next tasks; see scheduler.h.
#include "coordinator/scheduler.h"

#include <algorithm>
#include <unordered_map>

#include "shared/base/error.h"

namespace apportion {

namespace {

/// A task that others wait for is worth more ranks than one that ends a chain.
double weight_of(const Task& task) { return description_of(task.kind).scheduled_first; }
bool is_awaited(const Task& task) { return weight_of(task) > 1; }

std::vector<size_t> ready_tasks(const std::vector<Task>& tasks, const std::vector<TaskState>& states) {
  ensure(tasks.size() == states.size(), "every task has a state");
  std::unordered_map<std::string, size_t> number;
  for (size_t task = 0; task < tasks.size(); ++task) number[tasks[task].id] = task;
  std::vector<size_t> ready;
  for (size_t task = 0; task < tasks.size(); ++task) {
    if (states[task] != TaskState::waiting) continue;
    std::vector<std::string> needed = tasks[task].inputs;
    if (!tasks[task].replay.empty()) needed.push_back(tasks[task].replay);
    const bool inputs_done = std::all_of(needed.begin(), needed.end(), [&](const std::string& id) {
      auto input = number.find(id);
      ensure(input != number.end(), "a task's inputs are tasks of the plan");
      return states[input->second] == TaskState::done;
    });
    if (inputs_done) ready.push_back(task);
  }
  return ready;
}

std::vector<int> fixed_sizes(size_t tasks, int idle, int group_size, int shard_size) {
  std::vector<int> sizes(tasks, 0);
  for (int& size : sizes) {
    size = std::min(group_size, idle) / shard_size * shard_size;
    idle -= size;
  }
  return sizes;
}

}  // namespace

std::vector<int> group_sizes(const std::vector<double>& weights, int idle, const GroupOptions& options) {
  const int unit = options.shard_size;
  if (options.group_size > 0) return fixed_sizes(weights.size(), idle, options.group_size, unit);
  std::vector<int> sizes(weights.size(), 0);
  for (; idle >= unit; idle -= unit) {
    // The next ranks go where a rank's part of the work is largest; a task without ranks comes first.
    size_t chosen = weights.size();
    double largest = 0;
    for (size_t task = 0; task < weights.size(); ++task) {
      if (sizes[task] > 0 && sizes[task] + unit > options.micro_batches) continue;
      if (sizes[task] == 0) {
        chosen = task;
        break;
      }
      double part = weights[task] / sizes[task];
      if (part > largest) {
        chosen = task;
        largest = part;
      }
    }
    if (chosen == weights.size()) break;
    sizes[chosen] += unit;
  }
  return sizes;
}

std::vector<Assignment> next_assignments(const std::vector<Task>& tasks, const std::vector<TaskState>& states,
                                         const std::vector<int>& idle_ranks, int ranks,
                                         const GroupOptions& options) {
  std::vector<size_t> ready = ready_tasks(tasks, states);
  // The chain of training tasks is the longest: it starts first where groups run side by side. One group
  // alone keeps the plan's order, in which the untouched model is measured first.
  bool side_by_side = ranks > 1 && (options.group_size == 0 || options.group_size < ranks);
  if (side_by_side) {
    std::stable_partition(ready.begin(), ready.end(), [&](size_t task) { return is_awaited(tasks[task]); });
  }
  std::vector<double> weights;
  for (size_t task : ready) weights.push_back(weight_of(tasks[task]));
  std::vector<int> sizes = group_sizes(weights, static_cast<int>(idle_ranks.size()), options);

  std::vector<Assignment> assignments;
  auto next = idle_ranks.begin();
  for (size_t place = 0; place < ready.size(); ++place) {
    if (sizes[place] == 0) continue;
    assignments.push_back({ready[place], {next, next + sizes[place]}});
    next += sizes[place];
  }
  return assignments;
}

}  // namespace apportion
