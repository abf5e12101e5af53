// Attention by blocks against attention with a dense mask, values and gradients, on random trees.
#include "worker/tree/tree_attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <tuple>

#include "shared/base/counter_rng.h"
#include "tests/support/worker/tiny_world.h"
#include "worker/kernels/panel_products.h"
#include "worker/tree/device_attention.h"

namespace apportion {
namespace {

TokenTree random_tree(int32_t nodes, uint64_t seed) {
  CounterRng rng(seed, "tree");
  TokenTree tree;
  tree.append(no_node, 0);
  for (int32_t i = 1; i < nodes; ++i) {
    const bool deeper = rng.uniform() < 0.8;
    tree.append(deeper ? i - 1 : static_cast<int32_t>(rng.below(static_cast<uint64_t>(i))), i);
  }
  std::vector<int32_t> index;
  return tree.depth_first(index);
}

/// The usual rule, and one with another scale and a cap that most scores come close to.
const ScoreRule rules[] = {plain_scores(16), {0.4, 1.5}};

at::Tensor dense_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const TokenTree& tree, int64_t window, const ScoreRule& rule) {
  const int64_t nodes = tree.size(), share = q.size(1) / k.size(1);
  at::Tensor mask = at::full({nodes, nodes}, -std::numeric_limits<float>::infinity());
  for (int32_t row = 0; row < nodes; ++row) {
    int64_t seen = 0;
    for (int32_t node = row; node != no_node && seen++ < window; node = tree.parent(node))
      mask[row][node] = 0;
  }
  at::Tensor wide_k = k.repeat_interleave(share, 1), wide_v = v.repeat_interleave(share, 1);
  at::Tensor scores = at::einsum("qhd,khd->hqk", {q, wide_k}) * rule.scale;
  if (rule.cap > 0) scores = (scores / rule.cap).tanh() * rule.cap;
  return at::einsum("hqk,khd->qhd", {(scores + mask).softmax(-1), wide_v});
}

/// Parameters: number of nodes, rows of a block, window.
class TreeAttention : public ::testing::TestWithParam<std::tuple<int32_t, int64_t, int64_t>> {
 protected:
  const TokenTree tree = random_tree(std::get<0>(GetParam()), 3);
  const int64_t window = std::get<2>(GetParam());
  const AttentionPlan plan = plan_of(tree);

 private:
  static AttentionPlan plan_of(const TokenTree& tree) {
    std::vector<int32_t> queries(static_cast<size_t>(tree.size()));
    std::iota(queries.begin(), queries.end(), 0);
    return plan_attention(tree, queries, std::get<1>(GetParam()), std::get<2>(GetParam()));
  }
};

TEST_P(TreeAttention, EqualsDenseMaskAndItsGradients) {
  at::manual_seed(1);
  at::Tensor q = at::randn({plan.rows, 4, 16}).set_requires_grad(true);
  at::Tensor k = at::randn({tree.size(), 2, 16}).set_requires_grad(true);
  at::Tensor v = at::randn({tree.size(), 2, 16}).set_requires_grad(true);
  at::Tensor weight = at::randn({tree.size(), 4, 16});
  for (const ScoreRule& rule : rules) {
    at::Tensor ours = tree_attention(q, k, v, plan, rule).narrow(0, 0, tree.size());
    at::Tensor dense = dense_attention(q.narrow(0, 0, tree.size()), k, v, tree, window, rule);
    EXPECT_LT(testing::relative_difference(ours, dense), 1e-6);
    auto our_gradients = torch::autograd::grad({(ours * weight).sum()}, {q, k, v});
    auto dense_gradients = torch::autograd::grad({(dense * weight).sum()}, {q, k, v});
    for (size_t i = 0; i < 3; ++i) {
      // A single node attends only to itself, so the gradients of q and k are zero there.
      const double bound = 1e-5 * std::max(1.0, dense_gradients[i].norm().item<double>());
      EXPECT_LT((our_gradients[i] - dense_gradients[i]).norm().item<double>(), bound) << i;
    }
  }
}

// On a GPU keys and values are one tensor; the operations work on any device.
TEST_P(TreeAttention, OfAGpuIsTheSame) {
  at::manual_seed(2);
  const auto leaf = [](at::IntArrayRef sizes) { return at::randn(sizes).set_requires_grad(true); };
  const at::Tensor q = leaf({plan.rows, 4, 16}), k = leaf({tree.size(), 2, 16}),
                   v = leaf({tree.size(), 2, 16}), weight = at::randn({tree.size(), 4, 16});
  for (const ScoreRule& rule : rules) {
    const at::Tensor kv_SX = at::cat({k.flatten(1), v.flatten(1)}, 1),
                     theirs = device_attention(q, kv_SX, 2, plan, rule).narrow(0, 0, tree.size()),
                     ours = tree_attention(q, k, v, plan, rule).narrow(0, 0, tree.size());
    EXPECT_LT(testing::relative_difference(theirs, ours), 1e-6);
    const auto their_gradients = torch::autograd::grad({(theirs * weight).sum()}, {q, k, v}),
               our_gradients = torch::autograd::grad({(ours * weight).sum()}, {q, k, v});
    for (size_t i = 0; i < 3; ++i) {
      const double bound = 1e-5 * std::max(1.0, our_gradients[i].norm().item<double>());
      EXPECT_LT((their_gradients[i] - our_gradients[i]).norm().item<double>(), bound) << i;
    }
  }
}

// With the same rounded inputs; only the rounding of weights, results and score gradients differs.
TEST_P(TreeAttention, InBfloat16IsNearFloat32OnAnyNumberOfThreads) {
  for (int64_t head_dim : {6, 16, 64}) {
    at::manual_seed(1);
    auto rounded = [](at::Tensor x) { return x.to(at::kBFloat16); };
    const at::Tensor q = rounded(at::randn({plan.rows, 6, head_dim})),
                     k = rounded(at::randn({tree.size(), 2, head_dim})),
                     v = rounded(at::randn({tree.size(), 2, head_dim})),
                     weight = rounded(at::randn({tree.size(), 6, head_dim}));
    const ScoreRule usual = plain_scores(head_dim), capped{1.5 * usual.scale, 1.5};
    auto run = [&](at::ScalarType type, const ScoreRule& rule) {
      std::vector<at::Tensor> leaves;
      for (const at::Tensor& x : {q, k, v})
        leaves.push_back(x.to(type).detach().clone().set_requires_grad(true));
      at::Tensor out = tree_attention(leaves[0], leaves[1], leaves[2], plan, rule).narrow(0, 0, tree.size());
      auto found = torch::autograd::grad({(out * weight.to(type)).sum()}, {leaves[0], leaves[1], leaves[2]});
      found.push_back(out.detach());
      return found;
    };
    for (const ScoreRule& rule : {usual, capped}) {
      const int before = at::get_num_threads();
      at::set_num_threads(1);
      const auto wide = run(at::kFloat, rule), narrow = run(at::kBFloat16, rule);
      at::set_num_threads(3);
      const auto again = run(at::kBFloat16, rule);
      at::set_num_threads(before);
      for (size_t i = 0; i < wide.size(); ++i) {
        const double bound = 0.01 * std::max(1.0, wide[i].norm().item<double>());
        EXPECT_LT((narrow[i].to(at::kFloat) - wide[i]).norm().item<double>(), bound) << i << ' ' << rule.cap;
        EXPECT_TRUE(at::equal(narrow[i], again[i])) << i;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, TreeAttention,
                         ::testing::Combine(::testing::Values(1, 63, 64, 65, 97, 300),
                                            ::testing::Values(packed_block_rows, growing_block_rows),
                                            ::testing::Values(no_window, 1, 9)));

TEST(TreeAttentionPlan, JoinedTreesHaveTheBitsOfEachAlone) {
  if (!multiplies_in_panels(test_device(), at::kBFloat16))
    GTEST_SKIP() << "this CPU does not multiply bfloat16";
  at::manual_seed(1);
  std::vector<AttentionPlan> plans;
  std::vector<const AttentionPlan*> all;
  std::vector<at::Tensor> inputs[4],
      alone[4];  // q, k, v and the result's gradient; those of q, k, v, the result
  auto run = [](const AttentionPlan& plan,
                const at::Tensor* in) {  // uses the rule with a cap, the harder one
    std::vector<at::Tensor> leaves;
    for (int i = 0; i < 3; ++i) leaves.push_back(in[i].detach().clone().set_requires_grad(true));
    const at::Tensor out = tree_attention(leaves[0], leaves[1], leaves[2], plan, rules[1]);
    auto found = torch::autograd::grad({out}, {leaves[0], leaves[1], leaves[2]}, {in[3]});
    found.push_back(out.detach());
    return found;
  };
  for (int32_t nodes : {70, 1, 131}) {
    const TokenTree tree = random_tree(nodes, static_cast<uint64_t>(nodes));
    std::vector<int32_t> queries(static_cast<size_t>(nodes));
    std::iota(queries.begin(), queries.end(), 0);
    plans.push_back(plan_attention(tree, queries, packed_block_rows, nodes == 131 ? 9 : no_window));
    const int64_t rows = plans.back().rows;
    at::Tensor in[4];
    for (int i = 0; i < 4; ++i) {
      in[i] = at::randn({rows, i == 1 || i == 2 ? 2 : 6, 16}).to(at::kBFloat16);
      inputs[i].push_back(in[i]);
    }
    for (int i : {1, 2}) in[i] = in[i].narrow(0, 0, nodes);
    const auto found = run(plans.back(), in);
    for (size_t i = 0; i < 4; ++i) alone[i].push_back(found[i]);
  }
  for (const AttentionPlan& plan : plans) all.push_back(&plan);
  const at::Tensor joined_inputs[4] = {at::cat(inputs[0]), at::cat(inputs[1]), at::cat(inputs[2]),
                                       at::cat(inputs[3])};
  const auto joined = run(join_plans(all), joined_inputs);
  int64_t row = 0;
  for (size_t part = 0; part < plans.size(); ++part) {
    for (size_t i = 0; i < 4; ++i) {
      const at::Tensor& wanted = alone[i][part];
      EXPECT_TRUE(at::equal(joined[i].narrow(0, row, wanted.size(0)), wanted)) << part << " " << i;
    }
    row += plans[part].rows;
  }
}

TEST(TreeAttentionPlan, CountsAncestorsAndReadsOnlyThem) {
  TokenTree tree;
  const int32_t root = tree.child(no_node, 0), a = tree.child(root, 1), b = tree.child(root, 2);
  const AttentionPlan plan = plan_attention(tree, {a, b}, packed_block_rows);
  EXPECT_EQ(plan.rows, least_rows);
  EXPECT_EQ(plan.pairs, 4);
  EXPECT_EQ(plan.keys_BU.size(1), 3);
  EXPECT_FALSE(std::isinf(plan.mask_BQU[0][0][1].item<float>()));
  EXPECT_TRUE(std::isinf(plan.mask_BQU[0][0][2].item<float>()));
  const AttentionPlan alone = plan_attention(tree, {a, b}, packed_block_rows, 1);
  EXPECT_EQ(alone.pairs, 2);
  EXPECT_EQ(alone.keys_BU.size(1), 2);
}

TEST(TreeAttentionPlan, OfAWindowReadsWhatItsRowsSee) {
  TokenTree tree;
  std::vector<int32_t> queries(100);
  std::iota(queries.begin(), queries.end(), 0);
  tree.add_path(no_node, queries);
  const AttentionPlan plan = plan_attention(tree, queries, packed_block_rows, 8);
  EXPECT_EQ(plan.key_counts, (std::vector<int64_t>{32, 39, 39, 11}));
  EXPECT_EQ(plan.pairs, 100 * 8 - 28);  // the first seven rows see fewer
  for (int64_t row : {0, 6, 7, 50, 99}) {
    const at::Tensor seen = plan.mask_BQU[row / 32][row % 32].eq(0);
    const at::Tensor keys = plan.keys_BU[row / 32].masked_select(seen);
    EXPECT_TRUE(at::equal(keys, at::arange(std::max<int64_t>(0, row - 7), row + 1))) << row;
  }
}

}  // namespace
}  // namespace apportion
