// Log-probs at edges and their gradient against a plain log_softmax over all rows.
#include "worker/losses/log_probs.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "tests/support/worker/tiny_world.h"

namespace apportion {
namespace {

TEST(LogProbs, EqualLogSoftmaxAndItsGradient) {
  testing::TinyWorld world;
  at::manual_seed(2);
  at::Tensor hidden = at::randn({70, world.model().shape().width}).set_requires_grad(true);
  const EdgeIndex edges{at::tensor({3, 69}, at::kLong), at::tensor({0, 0, 1}, at::kLong),
                        at::tensor({5, 9, 5}, at::kLong)};
  at::Tensor weight = at::tensor({1.0F, -2.0F, 0.5F});
  at::Tensor ours = edge_log_probs(world.model(), hidden, edges);
  const ModelShape& shape = world.model().shape();
  const char* head = shape.tied_embedding ? "model.embed_tokens.weight" : "lm_head.weight";
  at::Tensor all = at::linear(hidden, world.weights().whole(head)).log_softmax(-1);
  at::Tensor plain = at::stack({all[3][5], all[3][9], all[69][5]});
  EXPECT_LT((ours - plain).abs().max().item<double>(), 1e-5);
  at::Tensor our_gradient = torch::autograd::grad({(ours * weight).sum()}, {hidden})[0];
  at::Tensor plain_gradient = torch::autograd::grad({(plain * weight).sum()}, {hidden})[0];
  EXPECT_LT(testing::relative_difference(our_gradient, plain_gradient), 1e-5);
}

}  // namespace
}  // namespace apportion
