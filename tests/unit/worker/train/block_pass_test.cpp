// A pass block by block equals the model's own graph, with the same bits however the base is held: alone,
// shared by threads that stand for ranks, gathered each pass or resident, with blocks computed twice or not.
#include "worker/train/block_pass.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <limits>
#include <thread>

#include "tests/support/tiny_gguf.h"
#include "tests/support/worker/tiny_world.h"
#include "worker/kernels/panel_products.h"
#include "worker/models/weight_source.h"

namespace apportion {
namespace {

using testing::relative_difference;
using testing::TinyWorld;

struct Result {
  std::vector<at::Tensor> log_prob_E, gradients;
};

std::vector<MicroBatch> batches(const TinyWorld& world, const ModelShape& shape) {
  std::vector<MicroBatch> list;
  for (const std::vector<int>& members : {std::vector<int>{0, 5}, {}, {3, 4, 7}}) {
    MicroBatch& batch = list.emplace_back();
    if (members.empty()) continue;
    batch =
        pack_micro_batch(world.prompts(), {0, 5, 3, 4, 7}, members,
                         {AnswerSet::accepted_rejected_mismatched, SftWeights::split}, shape, test_device());
  }
  return list;
}

std::vector<MicroBatch> batches(const TinyWorld& world) { return batches(world, world.model().shape()); }

std::vector<PassItem> items_of(const std::vector<MicroBatch>& list) {
  std::vector<PassItem> items;
  for (const MicroBatch& batch : list) {
    items.push_back(batch.prompts ? PassItem{&batch.rows, &batch.edges} : PassItem{});
  }
  return items;
}

Result pass(const Llama& model, const Adapter& adapter, const std::vector<MicroBatch>& list,
            Recompute recompute) {
  BlockPass blocks(model, adapter, items_of(list), recompute);
  Result result;
  result.log_prob_E = blocks.forward(BlockPass::Gradient::wanted);
  std::vector<at::Tensor> d_E;
  for (const at::Tensor& log_probs : result.log_prob_E) {
    d_E.push_back(log_probs.defined() ? at::arange(log_probs.size(0), at::kFloat).cos() : at::Tensor());
  }
  result.gradients = blocks.backward(d_E);
  return result;
}

void expect_same_bits(const Result& one, const Result& other) {
  ASSERT_EQ(one.gradients.size(), other.gradients.size());
  for (size_t m = 0; m < one.gradients.size(); ++m) {
    EXPECT_EQ(one.log_prob_E[m].defined(), other.log_prob_E[m].defined());
    if (one.log_prob_E[m].defined()) {
      EXPECT_TRUE(at::equal(one.log_prob_E[m], other.log_prob_E[m])) << m;
    }
    EXPECT_TRUE(at::equal(one.gradients[m], other.gradients[m])) << m;
  }
}

void expect_the_whole_graph(double layers) {
  TinyWorld world;
  Adapter adapter = world.random_adapter(3, layers);
  const auto list = batches(world);
  const Result blocks = pass(world.model(), adapter, list, Recompute::never);
  EXPECT_TRUE(blocks.gradients[1].eq(0).all().item<bool>());  // for the empty micro-batch
  for (size_t m : {size_t{0}, size_t{2}}) {
    at::Tensor log_prob_E =
        edge_log_probs(world.model(), world.model().hidden(list[m].rows, &adapter), list[m].edges);
    EXPECT_TRUE(at::equal(log_prob_E, blocks.log_prob_E[m]));
    torch::autograd::variable_list leaves(adapter.leaves().begin(), adapter.leaves().end());
    std::vector<at::Tensor> flat;
    at::Tensor d_E = at::arange(log_prob_E.size(0), at::kFloat).cos();
    for (const at::Tensor& part : torch::autograd::grad({log_prob_E}, leaves, {d_E}))
      flat.push_back(part.flatten());
    EXPECT_LT(relative_difference(blocks.gradients[m], at::cat(flat)), 1e-5);
  }
}

TEST(BlockPass, EqualsTheWholeGraph) { expect_the_whole_graph(1); }

TEST(BlockPass, EqualsTheWholeGraphOfTheUpperBlocks) {
  TinyWorld world;
  const Adapter all = world.random_adapter(3), upper = world.random_adapter(3, 0.5);
  EXPECT_EQ(upper.lowest_layer(), world.model().shape().layers / 2);
  EXPECT_EQ(2 * upper.parameters(), all.parameters());
  expect_the_whole_graph(0.5);
}

TEST(BlockPass, SameBitsWhoeverHoldsTheBase) {
  for (at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    TinyWorld world(type);
    Adapter adapter = world.random_adapter(3, type == at::kFloat ? 0.5 : 1);
    const auto list = batches(world);
    const Result alone = pass(world.model(), adapter, list, Recompute::never);
    adapter.allow_parts(2);
    expect_same_bits(alone, pass(world.model(), adapter, list, Recompute::always));
    for (int ranks : {2, 3, 4}) {
      for (bool resident : {false, true}) {
        for (int ranks_per_node : {1, ranks}) {
          auto group = make_threads_collectives(ranks, ranks_per_node, 20);
          std::vector<std::thread> threads;
          for (auto& rank : group) {
            threads.emplace_back([&, mine = rank.get()] {
              Llama model(world.weights(), world.model().shape(), type, test_device(), {mine, resident});
              EXPECT_EQ(model.is_whole(), ranks_per_node == ranks);
              // Ranks with less to do still take part in every gather.
              const auto own = mine->group_rank() == 0 ? list : std::vector<MicroBatch>{};
              const Result sharded = pass(model, adapter, own, Recompute::always);
              if (mine->group_rank() == 0) expect_same_bits(alone, sharded);
              EXPECT_EQ(model.is_whole(), resident || ranks_per_node == ranks);
              mine->barrier();
            });
          }
          for (std::thread& thread : threads) thread.join();
        }
      }
    }
  }
}

int64_t shortest(const std::vector<MicroBatch>& list) {
  int64_t tokens = std::numeric_limits<int64_t>::max();
  for (const MicroBatch& batch : list) {
    if (batch.prompts > 0)
      tokens = std::min(tokens,
                        batch.rows.positions_T.max().item<int64_t>() + 1);  // the length of its longest path
  }
  return tokens;
}

// The micro-batches of a lane go through the blocks together: on one thread all eight, which is more than the
// 256 rows that a product takes at once. Without a window, and with one that some micro-batches exceed.
class BlockPassTogether : public ::testing::TestWithParam<bool> {};

TEST_P(BlockPassTogether, SameBitsAsApart) {
  TinyWorld world(at::kBFloat16);
  Adapter adapter = world.random_adapter(3);
  if (!multiplies_in_panels(test_device(), at::kBFloat16))
    GTEST_SKIP() << "this CPU does not multiply bfloat16";
  ModelShape shape = world.model().shape();
  if (GetParam()) shape.set_window(shortest(batches(world)), every_other_layer(shape.layers));
  const Llama model(world.weights(), shape, at::kBFloat16, test_device());
  ASSERT_TRUE(model.rows_are_independent(adapter));
  std::vector<MicroBatch> list;
  int64_t rows = 0, windowed = 0;
  for (int copy = 0; copy < 3; ++copy) {
    for (MicroBatch& batch : batches(world, shape)) {
      rows += list.emplace_back(std::move(batch)).rows.plan.rows;
      windowed += list.back().rows.has_windowed() ? 1 : 0;
    }
  }
  ASSERT_GT(rows, 256);
  ASSERT_EQ(windowed, GetParam() ? 3 : 0);
  const int before = at::get_num_threads();
  const Result apart = pass(model, adapter, list, Recompute::never);
  for (size_t parts : {2, 3, 6}) {
    adapter.allow_parts(parts);
    for (int threads : {1, 2, 3}) {
      at::set_num_threads(threads);
      const size_t fewest = (6 + parts - 1) / parts;
      EXPECT_EQ(BlockPass(model, adapter, items_of(list), Recompute::never).bunches(),
                std::max(fewest, static_cast<size_t>(threads)));
      for (Recompute recompute : {Recompute::never, Recompute::always})
        expect_same_bits(apart, pass(model, adapter, list, recompute));
    }
  }
  at::set_num_threads(before);
}

INSTANTIATE_TEST_SUITE_P(Windows, BlockPassTogether, ::testing::Bool());

TEST(BlockPass, SameBitsOfAPackedOrLeftBaseWhoeverHoldsIt) {
  TinyWorld world(at::kBFloat16);
  const ModelShape& shape = world.model().shape();
  const Adapter adapter = world.random_adapter(3);
  const auto list = batches(world);
  for (BaseType base : {BaseType::compute, BaseType::int8, BaseType::q4}) {
    const Llama one(world.weights(), shape, at::kBFloat16, test_device(), {}, base);
    const Result alone = pass(one, adapter, list, Recompute::never);
    expect_same_bits(alone, pass(one, adapter, list, Recompute::always));
    for (int ranks_per_node : {1, 3}) {
      for (BasePlace place : {BasePlace::memory, BasePlace::file}) {
        auto group = make_threads_collectives(3, ranks_per_node, 20);
        std::vector<std::thread> threads;
        for (auto& rank : group) {
          threads.emplace_back([&, mine = rank.get()] {
            const Llama model(world.weights(), shape, at::kBFloat16, test_device(), {mine, false, place},
                              base);
            const auto own = mine->group_rank() == 1 ? list : std::vector<MicroBatch>{};
            const Result sharded = pass(model, adapter, own, Recompute::never);
            if (mine->group_rank() == 1) expect_same_bits(alone, sharded);
            mine->barrier();
          });
        }
        for (std::thread& thread : threads) thread.join();
      }
    }
  }
}

}  // namespace
}  // namespace apportion
