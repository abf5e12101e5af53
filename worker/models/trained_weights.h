// A model all of whose weights are trained: which groups hold them, and what stands for them in the graph.
// Their masters, gradients and moments are train/full_weights.h's business.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "worker/models/block_store.h"
#include "worker/models/vocabulary.h"
#include "worker/models/weight_source.h"
#include "worker/parallel/shard_group.h"

namespace apportion {

class TrainedWeights {
 public:
  /// From here on the weights are leaves of the graph. All vectors (norms, biases) move into a group for that
  /// and are copied from there. `source` has the first values, and may go when nobody asks for rows of the
  /// groups any more; the others outlive this. Collective, once for a model.
  TrainedWeights(BlockStore& blocks, Vocabulary& vocabulary, at::Tensor& output_norm,
                 const WeightSource& source, const BaseLayout& layout, at::Device device);

  /// The groups in their order: blocks, chunks of the embedding and of a head of its own, all vectors.
  std::vector<TrainedGroup>& groups() { return groups_; }
  /// Weights of the groups have changed: what was gathered of the old ones is dropped. Collective.
  void changed();

 private:
  /// Where the weights of norms and biases lie, and what they are called.
  struct Vector {
    std::string name;
    at::Tensor* weights;
  };
  std::vector<Vector> vectors();
  void train_blocks(const WeightSource& source);
  void train_vectors(const WeightSource& source);

  BlockStore& blocks_;
  Vocabulary& vocabulary_;
  at::Tensor& output_norm_;
  BaseLayout layout_;
  at::Device device_;
  std::unique_ptr<ShardGroup> norms_;  // all vectors; copies lie in the blocks
  std::vector<TrainedGroup> groups_;
};

}  // namespace apportion
