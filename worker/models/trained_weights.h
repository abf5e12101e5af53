// A model whose weights are all trained: which groups hold them, and what stands for them in the graph.
// Masters, gradients and moments: train/full_weights.h.
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
  /// From here on the weights are leaves of the graph. All vectors (norms, biases) move into a group of their
  /// own and are copied from there. `source` has the first values, and may be freed once nobody reads the
  /// groups' rows any more; the other references must outlive this. Collective, once for a model.
  TrainedWeights(BlockStore& blocks, Vocabulary& vocabulary, at::Tensor& output_norm,
                 const WeightSource& source, const BaseLayout& layout, at::Device device);

  /// The groups in order: blocks, chunks of the embedding and of a separate head, all vectors.
  std::vector<TrainedGroup>& groups() { return groups_; }
  /// Call when the groups' weights have changed: drops gathered copies of the old ones. Collective.
  void changed();

 private:
  /// Where the weights of a norm or bias lie, and their name.
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
