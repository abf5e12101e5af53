// Chooses the layout of a base over ranks when the user leaves it open: the first that fits in a rank's
// memory. memory.h says what a layout needs; forecast.h, which layout of a plan is fastest.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "shared/config/run_config.h"

namespace apportion {

/// What there is to choose from: shard sizes that divide `ranks` (all of the job's, at least 1) and
/// `group_size` (0: any), or the given one.
struct LayoutFreedom {
  int64_t ranks = 1, group_size = 0;
  int64_t shard_size = 0;  // 0: any
  Recompute recompute = Recompute::automatic;
};

struct LayoutChoice {
  int64_t shard_size = 1;
  Recompute recompute = Recompute::never;
  double needed_bytes = 0;  // per rank
  bool fits = false;
};

/// `automatic` allows both, never first; otherwise only the given one.
std::vector<Recompute> allowed_recompute(Recompute recompute);

/// Tries shard sizes from small to large, and all of them before recomputing: sharing costs transfers,
/// recomputing a third of the computation. Returns the first that needs at most `memory_bytes`, or else the
/// one that needs least, with `fits` false. A given shard size is taken as it is, even if it does not divide.
/// Pure.
LayoutChoice choose_layout(
    const LayoutFreedom& freedom, double memory_bytes,
    const std::function<double(int64_t shard_size, Recompute recompute)>& needed_bytes);

}  // namespace apportion
