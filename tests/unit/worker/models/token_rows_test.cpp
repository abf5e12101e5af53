// Rows of a model whose layers have a window: which plan a layer uses, that joined rows keep it, and that a
// cache sees the same as a whole tree.
#include "worker/models/token_rows.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <numeric>

#include "shared/model_files/shape_text.h"
#include "shared/model_files/tensor_reader.h"
#include "tests/support/worker/tiny_world.h"
#include "worker/models/llama.h"

namespace apportion {
namespace {

constexpr int64_t window = 20;

ModelShape shape_with_window() {
  ModelShape shape = parse_shape("shape:layers=2,width=64,heads=4,ffn=96,vocabulary=300,context=128");
  shape.set_window(window, every_other_layer(shape.layers));
  return shape;
}

std::vector<int32_t> counting(int32_t first, int32_t last) {
  std::vector<int32_t> list(static_cast<size_t>(last - first));
  std::iota(list.begin(), list.end(), first);
  return list;
}

TokenRows rows_of_path(int32_t tokens, at::Device device = at::kCPU) {
  TokenTree tree;
  tree.add_path(no_node, counting(0, tokens));
  return token_rows(tree, counting(0, tokens), packed_block_rows, shape_with_window(), device);
}

TEST(TokenRows, HaveAPlanForTheWindowWhereAPathIsLonger) {
  const TokenRows within = rows_of_path(window), beyond = rows_of_path(window + 1);
  EXPECT_FALSE(within.has_windowed());
  EXPECT_EQ(&within.plan_of(true), &within.plan);
  EXPECT_EQ(beyond.plan_of(false).pairs, 21 * 22 / 2);
  EXPECT_EQ(beyond.plan_of(true).pairs, 21 * 22 / 2 - 1);
}

TEST(TokenRows, JoinedKeepTheirWindows) {
  const TokenRows within = rows_of_path(window), beyond = rows_of_path(70);
  EXPECT_FALSE(join_rows({&within, &within}).has_windowed());
  for (const int64_t rows_each : {int64_t{0}, beyond.plan.rows}) {
    const TokenRows joined = join_rows({&within, &beyond}, rows_each);
    EXPECT_EQ(joined.plan_of(true).pairs, within.plan.pairs + beyond.windowed.pairs);
    EXPECT_EQ(joined.plan_of(true).slots, joined.plan.slots);
    EXPECT_EQ(joined.plan.pairs, within.plan.pairs + beyond.plan.pairs);
  }
}

TEST(TokenRows, OfACacheSeeTheSameWindow) {
  const at::NoGradGuard no_gradient;
  const ModelShape shape = shape_with_window();
  const WeightSource weights(synthetic_tensors(shape));
  const Llama model(weights, shape, at::kFloat, test_device());
  TokenTree tree;
  const int32_t prompt = 60;
  std::vector<int32_t> ends(2, tree.add_path(no_node, counting(0, prompt)));
  KvCache cache(shape, at::kFloat, test_device());
  std::vector<at::Tensor> grown;
  for (int32_t depth = 0, first = 0; depth <= 30; ++depth) {
    const std::vector<int32_t> nodes = counting(first, tree.size());
    const TokenRows rows = token_rows(tree, nodes, growing_block_rows, shape, test_device());
    grown.push_back(model.hidden(rows, nullptr, &cache, first).narrow(0, 0, rows.count));
    first = tree.size();
    if (depth == 30) break;
    for (int32_t& end : ends) end = tree.append(end, 100 + tree.size());
  }
  const std::vector<int32_t> all = counting(0, tree.size());
  auto whole = [&](const Llama& of, const ModelShape& its) {
    const TokenRows rows = token_rows(tree, all, packed_block_rows, its, test_device());
    return of.hidden(rows, nullptr).narrow(0, 0, rows.count);
  };
  const at::Tensor right = whole(model, shape);
  EXPECT_LT(testing::relative_difference(at::cat(grown), right), 1e-5);
  ModelShape without = shape;
  without.window = 0;
  const at::Tensor other = whole(Llama(weights, without, at::kFloat, test_device()), without);
  EXPECT_LT(testing::relative_difference(other.narrow(0, 0, window), right.narrow(0, 0, window)), 1e-5);
  EXPECT_GT(testing::relative_difference(other.narrow(0, prompt, 60), right.narrow(0, prompt, 60)), 1e-3);
}

}  // namespace
}  // namespace apportion
