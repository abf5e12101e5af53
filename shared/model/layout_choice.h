// Which layout of a base over ranks is used where the user leaves it open: the first that fits in a rank's
// memory. What a layout needs is memory.h's; which layout of a plan is the fastest, forecast.h's.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "shared/config/run_config.h"

namespace apportion {

/// What may be chosen from: shard sizes that divide `ranks` (all of the job, at least 1) and `group_size`
/// (0: any), or the one that is given.
struct LayoutFreedom {
  int64_t ranks = 1, group_size = 0;
  int64_t shard_size = 0;  // 0: any
  Recompute recompute = Recompute::automatic;
};

struct LayoutChoice {
  int64_t shard_size = 1;
  Recompute recompute = Recompute::never;
  double needed_bytes = 0;  // on a rank
  bool fits = false;
};

/// `automatic` is both, never first; else the one that is given.
std::vector<Recompute> allowed_recompute(Recompute recompute);

/// Shard sizes from small to large, and all of them before recomputing: sharing costs transfers, recomputing
/// a third of the computation. The first that needs at most `memory_bytes`; when none does, the one that
/// needs the least, with `fits` false. A given shard size is taken as it is, whether or not it divides. Pure.
LayoutChoice choose_layout(
    const LayoutFreedom& freedom, double memory_bytes,
    const std::function<double(int64_t shard_size, Recompute recompute)>& needed_bytes);

}  // namespace apportion
