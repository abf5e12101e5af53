// Stage 1's loss, and what its weights mean: with `split` its first position is the KL term.
#include "worker/losses/sft.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "tests/support/worker/tiny_world.h"
#include "worker/losses/steering_kl.h"

namespace apportion {
namespace {

MicroBatch pack(const testing::TinyWorld& world, const std::vector<int>& batch, SftWeights weights) {
  return pack_micro_batch(world.prompts(), batch, batch, {AnswerSet::accepted, weights},
                          world.model().shape(), test_device());
}

TEST(Sft, IsTheWeightedMeanOfLogProbs) {
  at::Tensor log_probs = at::tensor({-1.0F, -2.0F}), weights = at::tensor({0.25F, 3.0F});
  EXPECT_FLOAT_EQ(sft_loss(log_probs, weights, 2).item<float>(), (0.25F * 1 + 3 * 2) / 2);
}

TEST(Sft, SplitGivesTheFirstPositionTheShareAndTheRestTheSameInSum) {
  testing::TinyWorld world;
  const MicroBatch batch = pack(world, {0}, SftWeights::split);
  const auto& target = world.prompts()[0].target;
  for (int64_t j = 0; j < 2; ++j) {
    const auto edge = batch.steering_IK[0][j].item<int64_t>();
    EXPECT_NEAR(batch.sft_weight_E[edge].item<double>(), target[size_t(j)], 1e-6);
  }
  EXPECT_NEAR(batch.sft_weight_E.sum().item<double>(), 2.0,
              1e-5);  // the shares count once for the first position, once for the rest
  EXPECT_NEAR(batch.sft_normalizer, 1.0, 1e-12);
}

TEST(Sft, TokenMeanCountsEveryTokenAlike) {
  testing::TinyWorld world;
  const MicroBatch batch = pack(world, {0, 5}, SftWeights::token_mean);
  double tokens = 0;
  for (int p : {0, 5}) {
    for (const auto& answer : world.prompts()[size_t(p)].answers) {
      if (answer.accepted) tokens += answer.weight * static_cast<double>(answer.tokens.size());
    }
  }
  EXPECT_NEAR(batch.sft_normalizer, tokens, 1e-9);
  EXPECT_NEAR(batch.sft_weight_E.sum().item<double>(), tokens, 1e-5);
}

TEST(Sft, FirstPositionOfSplitHasTheGradientOfTheKlTerm) {
  testing::TinyWorld world;
  Adapter adapter = world.random_adapter(3);
  const std::vector<int> members = {0, 4, 9};
  const MicroBatch batch = pack(world, members, SftWeights::split);
  at::Tensor first = at::zeros_like(batch.sft_weight_E);
  first.index_put_({batch.steering_IK.flatten()},
                   batch.sft_weight_E.index_select(0, batch.steering_IK.flatten()));
  auto gradient = [&](auto loss_of) {
    at::Tensor log_probs =
        edge_log_probs(world.model(), world.model().hidden(batch.rows, &adapter), batch.edges);
    torch::autograd::variable_list leaves(adapter.leaves().begin(), adapter.leaves().end());
    std::vector<at::Tensor> flat;
    for (const auto& part : torch::autograd::grad({loss_of(log_probs)}, leaves))
      flat.push_back(part.flatten());
    return at::cat(flat);
  };
  at::Tensor sft = gradient([&](const at::Tensor& l) { return sft_loss(l, first, batch.sft_normalizer); });
  at::Tensor kl = gradient([&](const at::Tensor& l) {
    return steering_kl(l.index_select(0, batch.steering_IK.flatten()).view(batch.steering_IK.sizes()),
                       batch.target_IK, 3);
  });
  EXPECT_GT(kl.norm().item<double>(), 0);
  EXPECT_LT(testing::relative_difference(sft, kl), 1e-5);
}

}  // namespace
}  // namespace apportion
