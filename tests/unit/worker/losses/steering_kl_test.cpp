// The KL term against its definition, and its floor.
#include "worker/losses/steering_kl.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

namespace apportion {
namespace {

TEST(SteeringKl, EqualsItsDefinition) {
  at::Tensor p = at::tensor({0.9F, 0.1F, 0.3F, 0.7F}).view({2, 2}),
             q = at::tensor({-0.2F, -2.5F, -1.0F, -0.9F}).view({2, 2});
  double expected = 0;
  for (int64_t i = 0; i < 2; ++i) {
    for (int64_t j = 0; j < 2; ++j) {
      const double share = p[i][j].item<double>();
      expected += share * (std::log(share) - q[i][j].item<double>());
    }
  }
  EXPECT_NEAR(steering_kl(q, p, 5).item<double>(), expected / 5, 1e-6);
}

TEST(SteeringKl, IsZeroExactlyAtTheTarget) {
  at::Tensor p = at::tensor({0.5F, 0.25F, 0.25F}).view({1, 3});
  EXPECT_NEAR(steering_kl(p.log(), p, 1).item<double>(), 0, 1e-7);
}

TEST(SteeringKl, AnUnwantedCategoryAddsNothing) {
  at::Tensor p = at::tensor({1.0F, 0.0F}).view({1, 2}), q = at::tensor({-0.5F, -30.0F}).view({1, 2});
  EXPECT_FLOAT_EQ(steering_kl(q, p, 1).item<float>(), 0.5F);
}

TEST(SteeringKl, LessOfTheCommonErrorMovesTheTargetsAndNoValue) {
  const at::Tensor p = at::tensor({0.9F, 0.1F, 0.3F, 0.7F, 0.5F, 0.5F}).view({3, 2});
  at::Tensor logits = at::arange(12, at::kFloat).sin_().view({3, 4}).set_requires_grad(true);
  const at::Tensor log_probs = logits.log_softmax(-1), q = log_probs.narrow(1, 0, 2);
  const at::Tensor error_K = (q.detach().exp() - p).mean(0);
  const at::Tensor less = common_error_term(q, error_K, 3);
  EXPECT_EQ(less.item<float>(), 0);
  (steering_kl(q, p, 3) + 0.75 * less).backward();
  const at::Tensor moved = p + 0.75 * error_K, all = log_probs.detach().exp();
  const at::Tensor expected = (all * moved.sum(1, true) - at::constant_pad_nd(moved, {0, 2})) / 3;
  EXPECT_LT((logits.grad() - expected).abs().max().item<double>(), 1e-6);
}

TEST(SteeringKl, CoverageIsTheMassOnTheSteeringTokens) {
  at::Tensor q = at::tensor({0.5F, 0.25F}).log().view({1, 2});
  EXPECT_FLOAT_EQ(steering_coverage(q)[0].item<float>(), 0.75F);
}

}  // namespace
}  // namespace apportion
