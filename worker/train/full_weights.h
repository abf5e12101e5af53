// All weights of a model as what is trained: float32 masters, cut over the ranks that hold the base together.
// A rank keeps the masters, the gradient and AdamW's moments of its part of each group and nothing of the
// others'; what passes read is a copy in the compute type, gathered a block at a time as a frozen base is.
// Files of weights are weights_file.h's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "worker/models/weight_source.h"
#include "worker/train/trainee.h"
#include "worker/train/weight_gradient.h"

namespace apportion {

/// The ranks of a group as full fine-tuning sees them: those that hold one copy together, and those that have
/// the same part of each copy. Null where that is one rank.
struct TrainingRanks {
  Collectives* shards = nullptr;
  Collectives* replicas = nullptr;
};

class FullWeights : public Trainee {
 public:
  /// From here on `model`, whose layout's ranks are ranks.shards, trains all; `weights` has the masters'
  /// first values. All references outlive this but `weights`. Collective over the shards.
  FullWeights(Llama& model, const WeightSource& weights, const TrainingRanks& ranks);

  std::unique_ptr<BlockPass> pass(std::vector<PassItem> items, Recompute recompute) override;
  at::Tensor gradient(std::vector<at::Tensor> own, int micro_batches, Collectives& group) override;
  at::Tensor& values() override { return values_; }
  Collectives* holders() override { return ranks_.shards ? ranks_.shards : alone_.get(); }
  void refresh() override;
  std::vector<StatePart> state_parts(Collectives& group) const override;
  double flops(const PassSize& size) const override;

  /// Writes the masters to `directory` as a folder that transformers loads (weights_file.h). On the first
  /// rank of the shards, which get the file's SHA-256 back; others get nothing. Collective over the shards.
  /// `config`: config.json; empty: what the shape says.
  std::string save(const std::string& directory, const std::string& config = "") const;

 private:
  at::Tensor part_of(size_t group) const;
  int shard_rank() const { return ranks_.shards ? ranks_.shards->group_rank() : 0; }

  const Llama& model_;
  TrainedWeights trained_;
  TrainingRanks ranks_;
  std::unique_ptr<Collectives> alone_ =
      make_local_collectives();        // a norm of one rank is rounded as of several
  std::vector<TrainedGroup>& groups_;  // of what is trained
  std::vector<bool> moved_;            // groups whose own values lie in values_: nothing is copied
  std::unique_ptr<WeightGradient> gradient_;
  at::Tensor values_;
};

}  // namespace apportion
