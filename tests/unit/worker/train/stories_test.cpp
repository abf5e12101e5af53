// Stories in training: their weights follow the target, the term is the weighted negative log-likelihood of
// each story by itself, training moves shares towards the target, and bits do not depend on who computes
// what.
#include "worker/train/stories.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <map>

#include "tests/support/worker/tiny_world.h"
#include "worker/losses/log_ratio.h"
#include "worker/train/trainer.h"

namespace apportion {
namespace {

using testing::relative_difference;
using testing::TinyWorld;

std::vector<int32_t> tokens_of(const TinyWorld& world, const std::string& text) {
  return world.chat().encode_turn("x", text).answer;
}

/// Stories of the first two subjects; the first has three stories of its second category.
std::vector<SubjectStories> told(const TinyWorld& world) {
  auto story = [&](const std::string& text, size_t place) {
    return ToldStory{tokens_of(world, text), place};
  };
  return {{world.dataset().subjects[0].target,
           {{story("a cat is red", 3)}, {story("a dog", 2), story("the dog", 1), story("a cat dog", 2)}}},
          {world.dataset().subjects[1].target, {{story("is red", 1)}, {story("is blue", 1)}}}};
}

std::vector<StoryAsked> asked(const TinyWorld& world) {
  std::vector<StoryAsked> all;
  for (const char* text : {"Tell of cats.", "A tale, please.", "Story time!"}) {
    for (int subject : {0, 1}) all.push_back({world.chat().encode_turn(text, "x").prompt, subject});
  }
  for (size_t i = 0; i < all.size(); ++i)
    all[i].prompt.push_back(static_cast<int32_t>(i + 3));  // each gets its own token
  return all;
}

StoryConfig config_of(int prompts, int stories) {
  StoryConfig config;
  config.answers = Answers::self;
  config.prompts = prompts;
  config.stories = stories;
  config.text_weight = 0.25;
  return config;
}

TEST(Stories, WeightsFollowTheTarget) {
  TinyWorld world;
  const auto of_subject = told(world);
  const Stories stories(of_subject, asked(world), config_of(3, 2), 1);
  std::map<std::vector<int32_t>, int> met;
  for (int step = 0; step < 12; ++step) {
    double whole = 0;
    for (const auto& part : stories.parts_of(step, 2)) {
      for (const StoryRow& row : part) {
        ++met[row.prompt];
        ASSERT_TRUE(row.paths.size() == 2 || row.paths.size() == 3) << row.paths.size();
        const size_t subject = row.paths.size() == 3 ? 0 : 1;
        const std::vector<double>& target = of_subject[subject].target;
        std::vector<double> share(2, 0.0);
        for (size_t i = 0; i < row.paths.size(); ++i) {
          const auto& path = row.paths[i];
          const double most = *std::max_element(path.weights.begin(), path.weights.end());
          EXPECT_EQ(std::count(path.weights.begin(), path.weights.end(), most), 1);
          EXPECT_EQ(std::count(path.weights.begin(), path.weights.end(), 0.25 * most),
                    static_cast<int64_t>(path.tokens.size()) - 1);
          share[i == 0 ? 0 : 1] += most;
        }
        for (size_t j = 0; j < 2; ++j) EXPECT_NEAR(share[j] * 3, target[j], 1e-12) << subject << j;
        whole += share[0] + share[1];
      }
    }
    EXPECT_NEAR(whole, 1, 1e-12);
  }
  ASSERT_EQ(met.size(), 6U);  // in turns
  for (const auto& [prompt, times] : met) EXPECT_EQ(times, 6);
}

/// Log-probs of an answer's tokens after a prompt, computed alone.
at::Tensor alone(const TinyWorld& world, Adapter& adapter, const std::vector<int32_t>& prompt,
                 const std::vector<int32_t>& tokens) {
  TrainPrompt one{prompt, {1}, {}, {{tokens, 1, true}}, 0, {}, AnswerStyle::plain};
  const MicroBatch batch = pack_micro_batch({one}, {0}, {0}, {AnswerSet::accepted, SftWeights::sequence},
                                            world.model().shape(), test_device());
  return edge_log_probs(world.model(), world.model().hidden(batch.rows, &adapter), batch.edges);
}

TEST(Stories, GradientIsThatOfEachStoryAlone) {
  TinyWorld world;
  Adapter adapter = world.random_adapter(3);
  const Stories stories(told(world), asked(world), config_of(2, 3), 1);
  const std::vector<StoryRow> rows = stories.parts_of(0, 1).front();
  const Packing packing{AnswerSet::accepted, SftWeights::split};
  const std::vector<int> members = {0, 5};
  const MicroBatch without = pack_micro_batch(world.prompts(), members, members, packing,
                                              world.model().shape(), test_device()),
                   batch = pack_micro_batch(world.prompts(), members, members, packing, world.model().shape(),
                                            test_device(), {{}, rows});
  EXPECT_TRUE(at::equal(batch.sft_weight_E, without.sft_weight_E));
  EXPECT_EQ(without.story_weight_S.numel(), 0);
  const int64_t edges = batch.edges.row_E.size(0), own = batch.sft_weight_E.size(0);
  ASSERT_EQ(edges, own + batch.story_weight_S.size(0));

  BlockPass pass(world.model(), adapter, {{&batch.rows, &batch.edges, &batch.kept}}, Recompute::never);
  const at::Tensor log_prob_E = pass.forward(BlockPass::Gradient::wanted)[0];
  const double term = -(log_prob_E.slice(0, own) * batch.story_weight_S).sum().item<double>();
  const at::Tensor gradient = pass.backward({at::cat({at::zeros({own}), -batch.story_weight_S})})[0];

  at::Tensor expected = at::zeros({});
  int64_t paths = 0;
  for (const StoryRow& row : rows) {
    for (const StoryRow::Path& path : row.paths) {
      const at::Tensor weights = at::tensor(path.weights, at::kDouble).to(at::kFloat);
      expected = expected - (alone(world, adapter, row.prompt, path.tokens) * weights).sum();
      paths += static_cast<int64_t>(path.tokens.size());
    }
  }
  EXPECT_LT(batch.story_weight_S.numel(), paths) << "stories share no edge";
  EXPECT_NEAR(term, expected.item<double>(), 1e-4 * term);
  torch::autograd::variable_list leaves(adapter.leaves().begin(), adapter.leaves().end());
  std::vector<at::Tensor> flat;
  for (const at::Tensor& part : torch::autograd::grad({expected}, leaves)) flat.push_back(part.flatten());
  EXPECT_LT(relative_difference(gradient, at::cat(flat)), 1e-4);
}

struct Trained {
  Adapter adapter;
  TrainLog log;
};

Trained train(const TinyWorld& world, double weight, Collectives& group) {
  StoryConfig config = config_of(3, 3);
  config.weight = weight;
  const Stories stories(told(world), asked(world), config, 7);
  Trained trained{world.random_adapter(4), {}};
  Trainer trainer({world.model(), world.prompts(), BatchConfig{6, 4}, testing::short_warmup(), 5, group,
                   [](const StepReport&) {}, nullptr, Recompute::never, nullptr, 1, &stories},
                  trained.adapter);
  SftConfig sft = testing::muon_sft();
  sft.steps = 24;
  sft.learning_rate = 1e-2;
  trainer.run_sft(sft);
  trained.log = trainer.log();
  return trained;
}

/// How far the second subject's two stories are from its target, as shares of the model's probability for
/// both.
double error(const TinyWorld& world, Adapter& adapter) {
  const SubjectStories subject = told(world)[1];
  std::vector<double> mass;
  for (const auto& stories : subject.of_category) {
    mass.push_back(
        std::exp(alone(world, adapter, asked(world)[1].prompt, stories[0].tokens).sum().item<double>()));
  }
  return std::abs(mass[0] / (mass[0] + mass[1]) - subject.target[0]);
}

TEST(Stories, TrainingMovesThemToTheTarget) {
  TinyWorld world;
  auto group = make_local_collectives();
  Trained with = train(world, 1, *group), none = train(world, 0, *group);
  EXPECT_LT(error(world, with.adapter), 0.5 * error(world, none.adapter));
  EXPECT_EQ(with.log.tokens, none.log.tokens);
  EXPECT_NE(with.log.loss, none.log.loss);
}

TEST(Stories, SameBytesOnAnyNumberOfRanks) {
  TinyWorld world;
  auto group = make_local_collectives();
  const Trained one = train(world, 1, *group);
  for (int ranks : {2, 3, 4}) {
    testing::on_thread_ranks(ranks, [&](Collectives& mine) {
      const Trained other = train(world, 1, mine);
      EXPECT_TRUE(at::equal(one.adapter.values(), other.adapter.values())) << ranks;
      EXPECT_EQ(one.log.loss, other.log.loss);
    });
  }
}

}  // namespace
}  // namespace apportion
