// Dealing ranks to tasks; see scheduler.h.
#include "coordinator/scheduler.h"

#include <algorithm>

namespace apportion {

namespace {

/// A task that others wait for deserves more ranks than one that ends a chain.
double weight_of(const Task& task) { return description_of(task.kind).scheduled_first; }

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
    // The next ranks go where the work per rank is largest; a task without ranks comes first.
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

std::vector<Assignment> next_assignments(const TaskPool& pool, const std::vector<size_t>& ready,
                                         const std::vector<int>& idle_ranks, const GroupOptions& options) {
  std::vector<double> weights;
  for (size_t task : ready) weights.push_back(weight_of(pool.task(task)));
  const std::vector<int> sizes = group_sizes(weights, static_cast<int>(idle_ranks.size()), options);
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
