// A rank's part of the gradient of all weights, in float32. Gradients of whole groups come in one by one from
// full_pass.h, are summed over the ranks that hold the base together while computing goes on, and are added
// to the part.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "worker/parallel/collectives.h"
#include "worker/parallel/shard_group.h"

namespace apportion {

/// Indices of the trained groups, in the order of TrainedWeights::groups.
struct WeightGroups {
  size_t layers = 0, chunks = 0;
  bool tied = true;

  size_t block(int64_t layer) const { return static_cast<size_t>(layer); }
  size_t embedding(size_t chunk) const { return layers + chunk; }
  size_t head(size_t chunk) const { return embedding(chunk) + (tied ? 0 : chunks); }
  size_t norms() const { return layers + (tied ? 1 : 2) * chunks; }
};

class WeightGradient {
 public:
  /// `shards` hold the groups together (null: this rank alone), `replicas` have the same part of other copies
  /// (null: there is one copy). Both, and the groups, must outlive this.
  WeightGradient(const std::vector<TrainedGroup>& groups, WeightGroups index, Collectives* shards,
                 Collectives* replicas);

  const WeightGroups& index() const { return index_; }
  /// A run of zeros as long as the group's, float32.
  at::Tensor empty_run(size_t group) const;
  /// The tensors in a group's run, each with its sizes.
  std::vector<at::Tensor> views(size_t group, const at::Tensor& run) const;

  /// Adds this rank's contribution to a group's gradient: a run (which this takes over), undefined for zeros.
  /// It is summed over shards, then over replicas, and only then added to what the group has, so a tied
  /// embedding's two contributions are added in the same order on any number of ranks. One sum of each kind
  /// runs while the next group is computed. Collective over shards and replicas, in the same order on all.
  void add(size_t group, at::Tensor run);
  /// The same for a group of one tensor, given that tensor's gradient.
  void add_tensor(size_t group, const at::Tensor& gradient);

  /// This rank's part, [n] in the groups' order, of the sum over all ranks; it is zero from then on.
  /// Collective over shards and replicas.
  at::Tensor take();

  /// Where each group begins in the part; last, the part's length.
  const std::vector<int64_t>& offsets() const { return offsets_; }

 private:
  struct Group {
    std::vector<std::vector<int64_t>> sizes;
    std::vector<int64_t> starts, counts;  // in the run; for each rank
    int64_t length = 0;
  };
  /// A sum in progress, and the tensors that belong to it.
  struct Flight {
    size_t group = 0;
    at::Tensor run, own;
    std::unique_ptr<Transfer> transfer;
  };
  void sum_over_replicas(size_t group, const at::Tensor& own);
  void end_over_shards();
  void end_over_replicas();

  WeightGroups index_;
  Collectives* shards_;
  Collectives* replicas_;
  std::vector<Group> groups_;
  std::vector<int64_t> offsets_;
  at::Device device_;
  at::Tensor part_;  // undefined: zeros
  Flight over_shards_, over_replicas_;
};

}  // namespace apportion
