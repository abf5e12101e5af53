// KTO against its equations, one answer at a time.
#include "worker/losses/kto.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

namespace apportion {
namespace {

AnswerEdges two_answers() {
  return {at::tensor({0, 1, 2, 0}, at::kLong).view({2, 2}), at::tensor({1.0F, 1.0F, 1.0F, 0.0F}).view({2, 2}),
          at::tensor({1.0F, 1.0F}), at::tensor({1, 0}, at::kByte).to(at::kBool)};
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

TEST(Kto, RatioSumsTheAnswersOwnEdges) {
  at::Tensor now = at::tensor({-1.0F, -2.0F, -4.0F}), reference = at::tensor({-1.5F, -2.25F, -3.0F});
  at::Tensor r = log_ratios(now, reference, two_answers());
  EXPECT_FLOAT_EQ(r[0].item<float>(), 0.75F);
  EXPECT_FLOAT_EQ(r[1].item<float>(), -1.0F);
}

TEST(Kto, EqualsEquationsSevenAndEight) {
  KtoConfig config;
  config.beta = 0.3;
  config.weight_accepted = 1.2;
  config.weight_rejected = 0.7;
  const double z = 0.4, r0 = 0.75, r1 = -1.0;
  const double expected = 1.2 * (1 - sigmoid(0.3 * (r0 - z))) + 0.7 * (1 - sigmoid(0.3 * (z - r1)));
  at::Tensor loss = kto_loss(at::tensor({0.75F, -1.0F}), two_answers(), z, config, 4);
  EXPECT_NEAR(loss.item<double>(), expected / 2 / 4, 1e-6);
}

TEST(Kto, ABatchWithAnswersOfOneSideIsLegal) {
  AnswerEdges answers = two_answers();
  for (bool accepted : {true, false}) {
    answers.accepted_A = at::full({2}, accepted, at::kBool);
    EXPECT_NEAR(kto_loss(at::zeros({2}), answers, 0, KtoConfig{}, 1).item<double>(), 0.5, 1e-6);
  }
}

TEST(Kto, WithoutAnswersRatiosAreEmptyAndTheLossIsZero) {
  const AnswerEdges none = {at::zeros({0, 1}, at::kLong), at::zeros({0, 1}), at::zeros({0}),
                            at::zeros({0}, at::kBool)};
  const at::Tensor r = log_ratios(at::tensor({-1.0F}), at::tensor({-2.0F}), none);
  EXPECT_EQ(r.size(0), 0);
  EXPECT_EQ(kto_loss(r, none, 0, KtoConfig{}, 2).item<double>(), 0);
}

TEST(Kto, TheWeightsBalanceIsThatOfEquationEight) {
  KtoConfig config;
  EXPECT_EQ(kto_balance(3, 3, config).ratio, 1);
  EXPECT_TRUE(kto_balance(3, 3, config).in_range);
  config.weight_accepted = 1.5;
  EXPECT_TRUE(kto_balance(3, 3, config).in_range);
  EXPECT_FALSE(kto_balance(6, 3, config).in_range);
  EXPECT_EQ(
      kto_balance(6, 3, config).text,
      "KTO weighs accepted to rejected answers 3 to 1, outside the range from 1 to 1.5 (first 4/3) that "
      "equation 8 of arXiv 2402.01306 asks for");
  EXPECT_FALSE(kto_balance(1, 2, config).in_range);
  EXPECT_FALSE(kto_balance(3, 0, config).in_range);
  EXPECT_FALSE(kto_balance(0, 0, config).in_range);
}

}  // namespace
}  // namespace apportion
