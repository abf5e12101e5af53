#include "worker/train/weight_gradient.h"

#include <ATen/ATen.h>

#include <numeric>
#include <utility>

#include "shared/base/error.h"

namespace apportion {

WeightGradient::WeightGradient(const std::vector<TrainedGroup>& groups, WeightGroups index,
                               Collectives* shards, Collectives* replicas)
    : index_(index),
      shards_(shards && shards->size() > 1 ? shards : nullptr),
      replicas_(replicas && replicas->size() > 1 ? replicas : nullptr),
      offsets_{0},
      device_(groups.front().group->own().device()) {
  ensure(groups.size() == index.norms() + 1, "groups are blocks, chunks and norms");
  const int rank = shards_ ? shards_->group_rank() : 0;
  for (const TrainedGroup& trained : groups) {
    const ShardGroup& group = *trained.group;
    groups_.push_back({group.sizes(), group.starts(), group.counts(), 0});
    Group& added = groups_.back();
    added.length = std::accumulate(added.counts.begin(), added.counts.end(), int64_t{0});
    offsets_.push_back(offsets_.back() + added.counts[static_cast<size_t>(rank)]);
  }
}

at::Tensor WeightGradient::empty_run(size_t group) const {
  return at::zeros({groups_[group].length}, at::dtype(at::kFloat).device(device_));
}

std::vector<at::Tensor> WeightGradient::views(size_t group, const at::Tensor& run) const {
  std::vector<at::Tensor> tensors;
  for (size_t t = 0; t < groups_[group].sizes.size(); ++t) {
    const auto& sizes = groups_[group].sizes[t];
    const int64_t values = std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<>());
    tensors.push_back(run.narrow(0, groups_[group].starts[t], values).view(sizes));
  }
  return tensors;
}

void WeightGradient::add(size_t group, at::Tensor run) {
  if (!part_.defined()) part_ = at::zeros({offsets_.back()}, at::dtype(at::kFloat).device(device_));
  if (!run.defined()) run = empty_run(group);
  if (!shards_) return sum_over_replicas(group, run);
  end_over_shards();
  at::Tensor own = at::empty({offsets_[group + 1] - offsets_[group]}, run.options());
  auto transfer = shards_->start_reduce_scatter(run, own, groups_[group].counts);
  over_shards_ = {group, run, own, std::move(transfer)};
}

void WeightGradient::add_tensor(size_t group, const at::Tensor& gradient) {
  at::Tensor run = gradient.defined() ? gradient.flatten() : gradient;
  if (run.defined() && run.numel() < groups_[group].length) {
    run = empty_run(group);
    views(group, run).front().copy_(gradient);
  }
  add(group, run);
}

void WeightGradient::end_over_shards() {
  if (!over_shards_.transfer) return;
  over_shards_.transfer->wait();
  const Flight ended = std::exchange(over_shards_, {});
  sum_over_replicas(ended.group, ended.own);
}

void WeightGradient::sum_over_replicas(size_t group, const at::Tensor& own) {
  end_over_replicas();
  over_replicas_ = {group, {}, own, replicas_ ? replicas_->start_all_reduce(own) : nullptr};
  if (!replicas_) end_over_replicas();
}

void WeightGradient::end_over_replicas() {
  if (!over_replicas_.own.defined()) return;
  if (over_replicas_.transfer) over_replicas_.transfer->wait();
  const Flight ended = std::exchange(over_replicas_, {});
  part_.narrow(0, offsets_[ended.group], ended.own.numel()).add_(ended.own);
}

at::Tensor WeightGradient::take() {
  end_over_shards();
  end_over_replicas();
  return std::exchange(part_, at::Tensor());
}

}  // namespace apportion
