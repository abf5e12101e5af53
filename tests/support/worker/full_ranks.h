// Full fine-tuning on threads that act as ranks: the group, and on each rank its part of the tiny world's
// weights, in `replicas` copies, each held by `shards` neighbours together.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tests/support/worker/tiny_world.h"
#include "worker/train/full_weights.h"

namespace apportion::testing {

struct RankGrid {
  int shards = 1, replicas = 1;
  /// Whether the ranks of a copy share memory, or gather.
  enum class Node { one, many } node = Node::many;

  std::string name() const;
};

struct FullRank {
  Collectives& group;
  const Llama& model;
  std::unique_ptr<FullWeights> weights;
};

/// Calls work on every rank and returns when all are done.
void on_full_ranks(const TinyWorld& world, const RankGrid& grid, const std::function<void(FullRank&)>& work);

}  // namespace apportion::testing
