// How many ranks each of several tasks gets. Pure; which tasks, and which ranks, is scheduler.h's business.
#pragma once

#include <vector>

namespace apportion {

struct GroupOptions {
  int group_size = 0;  // 0: idle ranks are divided; else the size of every group, clamped to the idle ranks
  int micro_batches = 1;  // the most ranks that a divided group gets: more could not share a step
};

/// Sizes of the groups for tasks of these weights (> 0), in order of importance; 0 for a task that has to
/// wait. Sizes add to at most `idle`.
std::vector<int> group_sizes(const std::vector<double>& weights, int idle, const GroupOptions& options);

}  // namespace apportion
