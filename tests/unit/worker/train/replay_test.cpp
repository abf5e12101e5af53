// The retention term: its gradient is plain autograd's, it is zero for an adapter without effect, and
// training with it stays close to the base, with the same bits whoever computes what.
#include "worker/train/replay.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "tests/support/worker/tiny_world.h"
#include "worker/train/trainer.h"

namespace apportion {
namespace {

using testing::relative_difference;
using testing::TinyWorld;

/// Separate prompts, every other one with an answer.
std::vector<ReplayRow> rows_of(const TinyWorld& world) {
  std::vector<ReplayRow> rows;
  for (const char* text :
       {"What is a cat?", "cat", "Count the cats", "Is a dog a cat?", "dogs", "What is red?"}) {
    const EncodedTurn turn = world.chat().encode_turn(text, "a cat is red");
    rows.push_back({turn.prompt, rows.size() % 2 == 0 ? turn.answer : std::vector<int32_t>(),
                    static_cast<int>(rows.size()) % 3});
  }
  return rows;
}

struct Packed {
  MicroBatch batch;
  explicit Packed(const TinyWorld& world) {
    const std::vector<ReplayRow> rows = rows_of(world);
    Replay replay(rows, static_cast<int>(rows.size()), 1);
    auto alone = make_local_collectives();
    replay.prepare(world.model(), nullptr, *alone, 1);
    std::vector<const ReplayRow*> members;
    std::vector<at::Tensor> hidden;
    for (int row = 0; row < static_cast<int>(rows.size()); ++row) {
      members.push_back(&replay.row(row));
      hidden.push_back(replay.base_hidden(row));
    }
    batch = pack_micro_batch(world.prompts(), {0, 5}, {0, 5}, {AnswerSet::accepted, SftWeights::split},
                             world.model().shape(), test_device(), {members, {}});
    batch.kept.base_hidden_NC = at::cat(hidden);
  }
  std::vector<PassItem> items() const { return {{&batch.rows, &batch.edges, &batch.kept}}; }
  int64_t edges() const { return batch.edges.row_E.size(0); }
  int64_t kept() const { return batch.kept.row_N.size(0); }
};

/// Parameter: the cap of logits; 0 means none.
class ReplayOf : public ::testing::TestWithParam<double> {};

TEST_P(ReplayOf, GradientIsPlainAutograds) {
  const double cap = GetParam();
  TinyWorld world(at::kFloat, testing::Head::tied, 2, test_device(), cap);
  Adapter adapter = world.random_adapter(3);
  const Packed packed(world);
  BlockPass pass(world.model(), adapter, packed.items(), Recompute::never);
  const at::Tensor out = pass.forward(BlockPass::Gradient::wanted)[0];
  ASSERT_EQ(out.numel(), packed.edges() + packed.kept());
  const at::Tensor d_N = at::arange(packed.kept(), at::kFloat).cos() + 2;
  const at::Tensor gradient = pass.backward({at::cat({at::zeros({packed.edges()}), d_N})})[0];

  const at::Tensor head_VC = world.weights().whole("model.embed_tokens.weight");
  const at::Tensor hidden_NC = world.model()
                                   .hidden(packed.batch.rows, &adapter)
                                   .index_select(0, packed.batch.edges.rows_R)
                                   .index_select(0, packed.batch.kept.row_N);
  auto log_probs = [&](const at::Tensor& in_NC) {
    const at::Tensor logits_NV = at::mm(in_NC, head_VC.t());
    return (cap > 0 ? (logits_NV / cap).tanh() * cap : logits_NV).log_softmax(-1);
  };
  const at::Tensor base_NV = log_probs(packed.batch.kept.base_hidden_NC), log_probs_NV = log_probs(hidden_NC);
  const at::Tensor kl_N = (base_NV.exp() * (base_NV - log_probs_NV)).sum(-1);
  EXPECT_LT(relative_difference(out.slice(0, packed.edges()), kl_N.detach()), 1e-4);
  EXPECT_GT(kl_N.min().item<double>(), 1e-4);
  torch::autograd::variable_list leaves(adapter.leaves().begin(), adapter.leaves().end());
  std::vector<at::Tensor> flat;
  for (const at::Tensor& part : torch::autograd::grad({kl_N}, leaves, {d_N})) flat.push_back(part.flatten());
  EXPECT_LT(relative_difference(gradient, at::cat(flat)), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Caps, ReplayOf, ::testing::Values(0.0, 2.0));

TEST(Replay, AnAdapterThatDoesNothingIsTheBase) {
  TinyWorld world;
  Adapter nothing(world.model().shape(), TinyWorld::lora(), 1, test_device());  // B is 0, so it has no effect
  nothing.refresh(at::kFloat);
  Adapter random = world.random_adapter(3);
  const Packed packed(world);
  auto kl_and_gradient = [&](Adapter& adapter) {
    BlockPass pass(world.model(), adapter, packed.items(), Recompute::never);
    const at::Tensor kl_N = pass.forward(BlockPass::Gradient::wanted)[0].slice(0, packed.edges());
    const at::Tensor d_E = at::cat({at::zeros({packed.edges()}), at::ones({packed.kept()})});
    return std::pair(kl_N.abs().max().item<double>(), pass.backward({d_E})[0].norm().item<double>());
  };
  const auto [zero, flat] = kl_and_gradient(nothing);
  const auto [kl, steep] = kl_and_gradient(random);
  EXPECT_LT(zero, 1e-4 * kl);
  EXPECT_LT(flat, 1e-4 * steep);
}

struct Trained {
  at::Tensor values;
  TrainLog log;
};

Trained train(const TinyWorld& world, double weight, Collectives& group) {
  Replay replay(rows_of(world), 4, 7);
  replay.prepare(world.model(), nullptr, group, 12);
  Adapter adapter = world.random_adapter(4);
  Trainer trainer({world.model(), world.prompts(), BatchConfig{6, 4}, testing::short_warmup(), 5, group,
                   [](const StepReport&) {}, nullptr, Recompute::never, &replay, weight},
                  adapter);
  SftConfig sft = testing::muon_sft();
  sft.steps = 12;
  sft.learning_rate = 3e-3;
  trainer.run_sft(sft);
  return {adapter.values(), trainer.log()};
}

TEST(Replay, HoldsTrainingToTheBase) {
  TinyWorld world;
  auto alone = make_local_collectives();
  const Trained held = train(world, 10, *alone), free = train(world, 0, *alone);
  EXPECT_LT(held.log.retain.back(), 0.5 * free.log.retain.back());
  EXPECT_EQ(held.log.tokens, free.log.tokens);
}

TEST(Replay, SameBytesOnAnyNumberOfRanks) {
  TinyWorld world;
  auto alone = make_local_collectives();
  const Trained one = train(world, 1, *alone);
  for (int ranks : {2, 3, 4}) {
    testing::on_thread_ranks(ranks, [&](Collectives& mine) {
      const Trained other = train(world, 1, mine);
      EXPECT_TRUE(at::equal(one.values, other.values)) << ranks;
      EXPECT_EQ(one.log.retain, other.log.retain);
    });
  }
}

}  // namespace
}  // namespace apportion
