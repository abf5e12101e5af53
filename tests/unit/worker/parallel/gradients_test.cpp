// How micro-batches are dealt out and summed in a fixed order (over ranks: tests/ranks/worker/parallel).
#include "worker/parallel/gradients.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>

namespace apportion {
namespace {

TEST(Gradients, EveryMicroBatchHasOneOwner) {
  for (int ranks = 1; ranks <= 9; ++ranks) {
    for (int micro_batches = 1; micro_batches <= 8; ++micro_batches) {
      int next = 0;
      for (int rank = 0; rank < ranks; ++rank) {
        const auto range = micro_batches_of(rank, ranks, micro_batches);
        if (range.first == range.last) continue;
        EXPECT_EQ(range.first, next);
        next = range.last;
      }
      EXPECT_EQ(next, micro_batches) << ranks;
    }
  }
  for (int rank = 0; rank < 4; ++rank) EXPECT_EQ(micro_batches_of(rank, 4, 4).first, rank);
}

TEST(Gradients, TreeSumAddsPairsBeforePairs) {
  // 2^24 + 1 is not a float: the order of summation shows in the result.
  const float big = 16777216;
  std::vector<at::Tensor> leaves;
  for (float value : {big, 1.0F, 1.0F, 1.0F}) leaves.push_back(at::tensor({value}));
  auto local = make_local_collectives();
  EXPECT_EQ(tree_sum(leaves, leaves[0], 4, *local).item<float>(), (big + 1.0F) + (1.0F + 1.0F));
  EXPECT_NE((big + 1.0F) + (1.0F + 1.0F), ((big + 1.0F) + 1.0F) + (1.0F + 1.0F) + 1.0F);
}

// More values than fit one piece; if a leaf is missing, the others are added one operation after another.
TEST(Gradients, TreeSumInPiecesHasTheBitsOfWholeSums) {
  at::manual_seed(3);
  std::vector<at::Tensor> leaves;
  for (int i = 0; i < 5; ++i) leaves.push_back(at::randn({20001}) * std::pow(1000.0, i));
  const at::Tensor wanted = ((leaves[0] + leaves[1]) + leaves[2]) + (leaves[3] + leaves[4]);
  auto copies = [&] {
    std::vector<at::Tensor> all;
    for (const at::Tensor& leaf : leaves) all.push_back(leaf.clone());
    return all;
  };
  EXPECT_TRUE(at::equal(tree_sum(copies()), wanted));
  auto local = make_local_collectives();
  EXPECT_TRUE(at::equal(tree_sum(copies(), leaves[0], 5, *local), wanted));
  auto some = copies();
  some[2].reset();
  EXPECT_TRUE(at::equal(tree_sum(some), (leaves[0] + leaves[1]) + (leaves[3] + leaves[4])));
}

TEST(Gradients, SquareSumHasTheSameBitsAtAnyNumberOfThreads) {
  at::manual_seed(3);
  at::Tensor values = at::randn({100003});
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const double one = square_sum(values);
  at::set_num_threads(2);
  EXPECT_EQ(square_sum(values), one);
  at::set_num_threads(before);
  EXPECT_NEAR(one / values.to(at::kDouble).square().sum().item<double>(), 1, 1e-12);
}

}  // namespace
}  // namespace apportion
