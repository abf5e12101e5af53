#include "shared/model/layout_choice.h"

#include <optional>

#include "shared/base/error.h"

namespace apportion {
namespace {

std::vector<int64_t> allowed_shard_sizes(const LayoutFreedom& freedom) {
  if (freedom.shard_size > 0) return {freedom.shard_size};
  std::vector<int64_t> sizes;
  for (int64_t size = 1; size <= freedom.ranks; ++size) {
    if (freedom.ranks % size == 0 && freedom.group_size % size == 0) sizes.push_back(size);
  }
  return sizes;
}

}  // namespace

std::vector<Recompute> allowed_recompute(Recompute recompute) {
  if (recompute == Recompute::automatic) return {Recompute::never, Recompute::always};
  return {recompute};
}

LayoutChoice choose_layout(const LayoutFreedom& freedom, double memory_bytes,
                           const std::function<double(int64_t, Recompute)>& needed_bytes) {
  ensure(freedom.ranks >= 1, "a job has ranks");
  std::optional<LayoutChoice> least;
  for (Recompute recompute : allowed_recompute(freedom.recompute)) {
    for (int64_t size : allowed_shard_sizes(freedom)) {
      const double needed = needed_bytes(size, recompute);
      const LayoutChoice choice = {size, recompute, needed, needed <= memory_bytes};
      if (choice.fits) return choice;
      if (!least || needed <= least->needed_bytes) least = choice;
    }
  }
  return *least;
}

}  // namespace apportion
