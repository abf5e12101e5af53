// Ranks divided over tasks; see group_layout.h.
#include "coordinator/group_layout.h"

#include <algorithm>

namespace apportion {

namespace {

std::vector<int> fixed_sizes(size_t tasks, int idle, int group_size) {
  std::vector<int> sizes(tasks, 0);
  for (int& size : sizes) {
    size = std::min(group_size, idle);
    idle -= size;
  }
  return sizes;
}

}  // namespace

std::vector<int> group_sizes(const std::vector<double>& weights, int idle, const GroupOptions& options) {
  if (options.group_size > 0) return fixed_sizes(weights.size(), idle, options.group_size);
  std::vector<int> sizes(weights.size(), 0);
  for (; idle > 0; --idle) {
    // The next rank goes where a rank's part of the work is largest; a task without ranks comes first.
    size_t chosen = weights.size();
    double largest = 0;
    for (size_t task = 0; task < weights.size(); ++task) {
      if (sizes[task] >= std::max(options.micro_batches, 1)) continue;
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
    ++sizes[chosen];
  }
  return sizes;
}

}  // namespace apportion
