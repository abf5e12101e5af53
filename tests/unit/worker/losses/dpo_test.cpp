// DPO against its equation, one pair at a time.
#include "worker/losses/dpo.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

namespace apportion {
namespace {

double log_sigmoid(double x) { return -std::log1p(std::exp(-x)); }

TEST(Dpo, EqualsEquationSeven) {
  const at::Tensor accepted = at::tensor({0.5F, -2.0F}), rejected = at::tensor({-0.25F, 1.0F});
  const double expected = -(0.75 * log_sigmoid(0.3 * 0.75) + 0.25 * log_sigmoid(0.3 * -3.0)) / 2;
  EXPECT_NEAR(dpo_loss(accepted, rejected, at::tensor({0.75F, 0.25F}), 0.3, 2).item<double>(), expected,
              1e-6);
}

TEST(Dpo, AtTheReferenceTheGradientIsHalfBeta) {
  at::Tensor accepted = at::zeros({1}).set_requires_grad(true);
  at::Tensor rejected = at::zeros({1}).set_requires_grad(true);
  const at::Tensor loss = dpo_loss(accepted, rejected, at::ones({1}), 0.1, 1);
  EXPECT_NEAR(loss.item<double>(), std::log(2.0), 1e-6);
  const auto gradient = torch::autograd::grad({loss}, {accepted, rejected});
  EXPECT_FLOAT_EQ(gradient[0].item<float>(), -0.05F);
  EXPECT_FLOAT_EQ(gradient[1].item<float>(), 0.05F);
}

TEST(Dpo, WithoutPairsItIsZero) {
  const at::Tensor none = at::zeros({0});
  EXPECT_EQ(dpo_loss(none, none, none, 0.1, 3).item<double>(), 0);
}

}  // namespace
}  // namespace apportion
