// Training of all weights of a model: float32 masters, split over the ranks that hold the base together. A
// rank keeps masters, gradient and AdamW's moments only for its own part of each group. Passes read a copy in
// the compute type, gathered a block at a time like a frozen base. Files of weights: weights_file.h.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "worker/models/weight_source.h"
#include "worker/train/trainee.h"
#include "worker/train/weight_gradient.h"

namespace apportion {

/// The ranks of a group as full fine-tuning sees them: those that hold one copy together, and those with the
/// same part of each copy. Null if that is only one rank.
struct TrainingRanks {
  Collectives* shards = nullptr;
  Collectives* replicas = nullptr;
};

class FullWeights : public Trainee {
 public:
  /// From here on all weights of `model`, whose layout's ranks are ranks.shards, are trained; `weights` has
  /// the masters' first values. All references except `weights` must outlive this. Collective over the
  /// shards.
  FullWeights(Llama& model, const WeightSource& weights, const TrainingRanks& ranks);

  std::unique_ptr<BlockPass> pass(std::vector<PassItem> items, Recompute recompute) override;
  at::Tensor gradient(std::vector<at::Tensor> own, int micro_batches, Collectives& group) override;
  at::Tensor& values() override { return values_; }
  Collectives* holders() override { return ranks_.shards ? ranks_.shards : alone_.get(); }
  void refresh() override;
  std::vector<StatePart> state_parts(Collectives& group) const override;
  double flops(const PassSize& size) const override;

  /// Writes the masters to `directory` as a folder that transformers loads (weights_file.h). The first rank
  /// of the shards writes, and gets the file's SHA-256 back; others get an empty string. Collective over the
  /// shards. `config`: the text of config.json; empty: made from the shape.
  std::string save(const std::string& directory, const std::string& config = "") const;

 private:
  at::Tensor part_of(size_t group) const;
  int shard_rank() const { return ranks_.shards ? ranks_.shards->group_rank() : 0; }

  const Llama& model_;
  TrainedWeights trained_;
  TrainingRanks ranks_;
  std::unique_ptr<Collectives> alone_ =
      make_local_collectives();        // one rank rounds the norm as several would
  std::vector<TrainedGroup>& groups_;  // the trained ones
  std::vector<bool> moved_;            // groups whose values lie in values_, without a copy
  std::unique_ptr<WeightGradient> gradient_;
  at::Tensor values_;
};

}  // namespace apportion
