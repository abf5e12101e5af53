// Category probabilities as sums over paths of a tree: the formula, and its gradient against answers one by
// one in padded rows.
#include "worker/losses/path_log_probs.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <numeric>

#include "tests/support/worker/tiny_world.h"
#include "worker/losses/sft.h"
#include "worker/losses/steering_kl.h"

namespace apportion {
namespace {

using testing::TinyWorld;

AnswerEdges whole(const std::vector<std::vector<int64_t>>& edges, int64_t longest) {
  const auto count = static_cast<int64_t>(edges.size());
  AnswerEdges paths{at::zeros({count, longest}, at::kLong), at::zeros({count, longest}), at::ones({count}),
                    at::ones({count}, at::kBool)};
  for (int64_t a = 0; a < count; ++a) {
    for (size_t i = 0; i < edges[static_cast<size_t>(a)].size(); ++i) {
      paths.edge_AL[a][static_cast<int64_t>(i)] = edges[static_cast<size_t>(a)][i];
      paths.mask_AL[a][static_cast<int64_t>(i)] = 1;
    }
  }
  return paths;
}

TEST(PathLogProbs, AddUpTheAnswersOfACategory) {
  const at::Tensor log_prob_E = at::tensor({0.5F, 0.25F, 0.5F, 0.125F}).log();
  // One prompt: category 0 by edges (0, 1) or (2), category 1 by (3) or (0, 3).
  const at::Tensor q_IK = path_log_probs(log_prob_E, whole({{0, 1}, {2}, {3}, {0, 3}}, 2), 1, 2);
  ASSERT_EQ(q_IK.sizes(), (std::vector<int64_t>{1, 2}));
  EXPECT_FLOAT_EQ(q_IK[0][0].exp().item<float>(), 0.5F * 0.25F + 0.5F);
  EXPECT_FLOAT_EQ(q_IK[0][1].exp().item<float>(), 0.125F + 0.5F * 0.125F);
}

TEST(PathLogProbs, OneFormWhoseFirstTokensDifferIsTheSumByHand) {
  const at::Tensor log_prob_E = at::tensor({0.5F, 0.25F, 0.75F, 0.5F}).log();
  const at::Tensor p_IK = at::tensor({0.25F, 0.75F}).view({1, 2});
  const at::Tensor q_IK = path_log_probs(log_prob_E, whole({{0, 2}, {1, 3}}, 2), 1, 2);
  const double by_hand = 0.25 * (std::log(0.25) - (std::log(0.5) + std::log(0.75))) +
                         0.75 * (std::log(0.75) - (std::log(0.25) + std::log(0.5)));
  EXPECT_NEAR(steering_kl(q_IK, p_IK, 1).item<double>(), by_hand, 1e-6);
}

std::vector<TrainPrompt> path_prompts(const TinyWorld& world) {
  return train_prompts(world.dataset(), prompts_of(world.dataset(), "train", 0, 0), world.dataset().subjects,
                       world.chat(), 1, AnswerStyle::paths);
}

/// Log-probs of an answer's tokens after its prompt, from a forward pass of that row alone: [length].
at::Tensor row_log_probs(const TinyWorld& world, const Adapter& adapter, const TrainPrompt& prompt,
                         const std::vector<int32_t>& answer) {
  TokenTree tree;
  int32_t end = tree.add_path(no_node, prompt.tokens);
  std::vector<int64_t> rows, next(answer.begin(), answer.end());
  for (int32_t token : answer) {
    rows.push_back(end);
    end = tree.child(end, token);
  }
  std::vector<int32_t> all(static_cast<size_t>(tree.size()));
  std::iota(all.begin(), all.end(), 0);
  const TokenRows row = token_rows(tree, all, packed_block_rows, world.model().shape(), test_device());
  const EdgeIndex edges{at::tensor(rows, at::kLong), at::arange(static_cast<int64_t>(rows.size()), at::kLong),
                        at::tensor(next, at::kLong)};
  return edge_log_probs(world.model(), world.model().hidden(row, &adapter), edges);
}

/// L_KL over padded rows: log p of each row is a masked sum, a category's q the sum of its rows' exp.
at::Tensor padded_loss(const TinyWorld& world, const Adapter& adapter,
                       const std::vector<TrainPrompt>& prompts, const std::vector<int>& members) {
  at::Tensor loss = at::zeros({});
  for (int member : members) {
    const TrainPrompt& prompt = prompts[static_cast<size_t>(member)];
    const size_t forms = prompt.answers.size() / prompt.target.size();
    std::vector<at::Tensor> rows, mask;
    for (const auto& answer : prompt.answers) {
      const at::Tensor own = row_log_probs(world, adapter, prompt, answer.tokens);
      rows.push_back(at::constant_pad_nd(own, {0, 32 - own.size(0)}, -1));  // padding that must not count
      mask.push_back(at::constant_pad_nd(at::ones_like(own), {0, 32 - own.size(0)}));
    }
    const at::Tensor probability = (at::stack(rows) * at::stack(mask)).sum(1).exp();
    for (size_t j = 0; j < prompt.target.size(); ++j) {
      const at::Tensor q =
          probability.narrow(0, static_cast<int64_t>(j * forms), static_cast<int64_t>(forms)).sum().log();
      loss = loss + prompt.target[j] * (std::log(prompt.target[j]) - q);
    }
  }
  return loss / static_cast<double>(members.size());
}

at::Tensor gradient_of(const at::Tensor& loss, const Adapter& adapter) {
  torch::autograd::variable_list leaves(adapter.leaves().begin(), adapter.leaves().end());
  std::vector<at::Tensor> flat;
  for (const auto& part : torch::autograd::grad({loss}, leaves)) flat.push_back(part.flatten());
  return at::cat(flat);
}

TEST(PathLogProbs, LossAndGradientOfTheTreeAreThoseOfPaddedRows) {
  TinyWorld world;
  Adapter adapter = world.random_adapter(3);
  const auto prompts = path_prompts(world);
  const std::vector<int> members = {0, 4, 9};
  for (AnswerSet set : {AnswerSet::none, AnswerSet::accepted}) {
    const MicroBatch batch = pack_micro_batch(prompts, members, members, {set, SftWeights::sequence},
                                              world.model().shape(), test_device());
    const at::Tensor log_probs =
        edge_log_probs(world.model(), world.model().hidden(batch.rows, &adapter), batch.edges);
    const at::Tensor tree = steering_kl(path_log_probs(log_probs, batch.paths, 3, 2), batch.target_IK, 3);
    const at::Tensor padded = padded_loss(world, adapter, prompts, members);
    EXPECT_NEAR(tree.item<double>(), padded.item<double>(), 1e-4 * padded.item<double>());
    const at::Tensor expected = gradient_of(padded, adapter);
    EXPECT_GT(expected.norm().item<double>(), 0);
    EXPECT_LT(testing::relative_difference(gradient_of(tree, adapter), expected), 1e-4);
  }
}

TEST(PathLogProbs, WithOneFormStageOneHasTheGradientOfTheKlTerm) {
  TinyWorld world;
  Adapter adapter = world.random_adapter(3);
  Dataset dataset = world.dataset();
  dataset.answer_forms = {"This is {category}."};  // the categories diverge after the first token
  const auto prompts = train_prompts(dataset, prompts_of(dataset, "train", 0, 0), dataset.subjects,
                                     world.chat(), 1, AnswerStyle::paths);
  const std::vector<int> members = {0, 4, 9};
  const auto difference = [&](SftWeights weights) {
    const MicroBatch batch = pack_micro_batch(prompts, members, members, {AnswerSet::accepted, weights},
                                              world.model().shape(), test_device());
    const at::Tensor log_probs =
        edge_log_probs(world.model(), world.model().hidden(batch.rows, &adapter), batch.edges);
    const at::Tensor kl = steering_kl(path_log_probs(log_probs, batch.paths, 3, 2), batch.target_IK, 3);
    const at::Tensor sft = sft_loss(log_probs, batch.sft_weight_E, batch.sft_normalizer);
    torch::autograd::variable_list leaves(adapter.leaves().begin(), adapter.leaves().end());
    std::vector<at::Tensor> of_sft, of_kl;
    for (const auto& part : torch::autograd::grad({sft}, leaves, {}, true)) of_sft.push_back(part.flatten());
    for (const auto& part : torch::autograd::grad({kl}, leaves)) of_kl.push_back(part.flatten());
    return testing::relative_difference(at::cat(of_sft), at::cat(of_kl));
  };
  EXPECT_LT(difference(SftWeights::sequence), 1e-5);
  EXPECT_GT(difference(SftWeights::split), 0.01);  // a different minimum
}

}  // namespace
}  // namespace apportion
