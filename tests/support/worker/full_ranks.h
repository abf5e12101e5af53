// Full fine-tuning on threads that stand for ranks: the group, and on each rank its part of the tiny world's
// weights, held by `shards` neighbours together, in `replicas` copies.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tests/support/worker/tiny_world.h"
#include "worker/train/full_weights.h"

namespace apportion::testing {

struct RankGrid {
  int shards = 1, replicas = 1;
  /// Whether the ranks of a copy see one memory, or gather.
  enum class Node { one, many } node = Node::many;

  std::string name() const;
};

struct FullRank {
  Collectives& group;
  const Llama& model;
  std::unique_ptr<FullWeights> weights;
};

/// Calls work on every rank, and returns when all are done.
void on_full_ranks(const TinyWorld& world, const RankGrid& grid, const std::function<void(FullRank&)>& work);

}  // namespace apportion::testing
