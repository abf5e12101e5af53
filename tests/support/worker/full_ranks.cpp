#include "tests/support/worker/full_ranks.h"

#include <thread>
#include <vector>

#include "tests/support/worker/test_device.h"

namespace apportion::testing {
namespace {

constexpr double timeout_s = 50;

/// groups[g][i]: the collectives of member i of group g.
std::vector<std::vector<std::unique_ptr<Collectives>>> threads_groups(int groups, int members,
                                                                      bool one_node) {
  std::vector<std::vector<std::unique_ptr<Collectives>>> all;
  for (int g = 0; g < groups; ++g) {
    all.push_back(make_threads_collectives(members, one_node ? members : 1, timeout_s));
  }
  return all;
}

}  // namespace

std::string RankGrid::name() const {
  return std::to_string(replicas) + " x " + std::to_string(shards) + (node == Node::one ? ", one node" : "");
}

void on_full_ranks(const TinyWorld& world, const RankGrid& grid, const std::function<void(FullRank&)>& work) {
  const int ranks = grid.shards * grid.replicas;
  const bool one_node = grid.node == RankGrid::Node::one;
  auto group = make_threads_collectives(ranks, 1, timeout_s);
  auto shards = threads_groups(grid.replicas, grid.shards, one_node);
  auto replicas = threads_groups(grid.shards, grid.replicas, false);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      const auto replica = static_cast<size_t>(rank / grid.shards),
                 shard = static_cast<size_t>(rank % grid.shards);
      Collectives* holders = grid.shards > 1 ? shards[replica][shard].get() : nullptr;
      Llama model(world.weights(), world.model().shape(), world.model().compute_type(), test_device(),
                  {holders, false});
      FullRank own{*group[static_cast<size_t>(rank)], model, nullptr};
      own.weights = std::make_unique<FullWeights>(model, world.weights(),
                                                  TrainingRanks{holders, replicas[shard][replica].get()});
      work(own);
      own.group.barrier();  // nobody leaves while others read from it
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace apportion::testing
