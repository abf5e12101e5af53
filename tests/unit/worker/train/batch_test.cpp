// A batch as a tree gives the same mathematics as its examples one by one.
#include "worker/train/batch.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "tests/support/worker/tiny_world.h"
#include "worker/losses/sft.h"

namespace apportion {
namespace {

using testing::TinyWorld;

std::vector<at::Tensor> gradient(const TinyWorld& world, Adapter& adapter,
                                 const std::vector<TrainPrompt>& prompts, const std::vector<int>& members,
                                 double normalizer) {
  const MicroBatch batch =
      pack_micro_batch(prompts, members, members, {AnswerSet::accepted, SftWeights::split},
                       world.model().shape(), test_device());
  at::Tensor log_probs =
      edge_log_probs(world.model(), world.model().hidden(batch.rows, &adapter), batch.edges);
  torch::autograd::variable_list leaves(adapter.leaves().begin(), adapter.leaves().end());
  return torch::autograd::grad({sft_loss(log_probs, batch.sft_weight_E, normalizer)}, leaves);
}

/// Rows that each have one prompt with one of its accepted answers.
std::vector<TrainPrompt> examples_of(const std::vector<TrainPrompt>& prompts) {
  std::vector<TrainPrompt> rows;
  for (const TrainPrompt& prompt : prompts) {
    for (const auto& answer : prompt.answers) {
      if (!answer.accepted) continue;
      TrainPrompt row = prompt;
      row.answers = {answer};
      rows.push_back(row);
    }
  }
  return rows;
}

TEST(Batch, GradientOfTheTreeEqualsTheSumOverExamplesOneByOne) {
  TinyWorld world;
  Adapter adapter = world.random_adapter(7);
  std::vector<int> all(world.prompts().size());
  std::iota(all.begin(), all.end(), 0);
  const auto tree = gradient(world, adapter, world.prompts(), all, 12);
  std::vector<at::Tensor> sum;
  const auto rows = examples_of(world.prompts());
  for (size_t row = 0; row < rows.size(); ++row) {
    const auto one = gradient(world, adapter, rows, {static_cast<int>(row)}, 12);
    for (size_t i = 0; i < one.size(); ++i) row == 0 ? sum.push_back(one[i]) : void(sum[i] = sum[i] + one[i]);
  }
  ASSERT_EQ(tree.size(), sum.size());
  for (size_t i = 0; i < tree.size(); ++i) {
    EXPECT_GT(sum[i].norm().item<double>(), 0) << i;
    EXPECT_LT(testing::relative_difference(tree[i], sum[i]), 1e-5) << i;
  }
}

TEST(Batch, MergedDuplicatesEqualRepeatedOnes) {
  TinyWorld world;
  Adapter adapter = world.random_adapter(8);
  std::vector<TrainPrompt> repeated = {world.prompts()[0]}, merged = {world.prompts()[0]};
  const auto answer = repeated[0].answers[0];
  for (int copy = 0; copy < 3; ++copy) repeated[0].answers.push_back(answer);
  merged[0].answers[0].weight *= 4;
  const auto a = gradient(world, adapter, repeated, {0}, 1), b = gradient(world, adapter, merged, {0}, 1);
  for (size_t i = 0; i < a.size(); ++i) EXPECT_LT(testing::relative_difference(a[i], b[i]), 1e-5) << i;
}

TEST(Batch, LogProbOfAnAnswerIsTheSameAloneAndInTheTree) {
  TinyWorld world;
  Adapter adapter = world.random_adapter(9);
  std::vector<int> all(world.prompts().size());
  std::iota(all.begin(), all.end(), 0);
  constexpr AnswerSet everything = AnswerSet::accepted_rejected_mismatched;
  auto answers = [&](const std::vector<int>& members) {
    const MicroBatch batch = pack_micro_batch(world.prompts(), all, members, {everything, SftWeights::split},
                                              world.model().shape(), test_device());
    at::Tensor log_probs =
        edge_log_probs(world.model(), world.model().hidden(batch.rows, &adapter), batch.edges);
    return log_ratios(log_probs, at::zeros_like(log_probs), batch.answers);
  };
  at::Tensor together = answers(all), first = answers({0}), last = answers({all.back()});
  EXPECT_LT((together.narrow(0, 0, first.size(0)) - first).abs().max().item<double>(), 1e-4);
  EXPECT_LT(
      (together.narrow(0, together.size(0) - last.size(0), last.size(0)) - last).abs().max().item<double>(),
      1e-4);
}

TEST(Batch, TreeHoldsFewerTokensThanPaddedRows) {
  TinyWorld world;
  std::vector<int> all(world.prompts().size());
  std::iota(all.begin(), all.end(), 0);
  const MicroBatch batch =
      pack_micro_batch(world.prompts(), all, all, {AnswerSet::accepted, SftWeights::split},
                       world.model().shape(), test_device());
  EXPECT_EQ(batch.example_rows, 48);
  EXPECT_LT(4 * batch.tree_tokens, batch.padded_tokens);
}

// Each member has its text in one of the turns, so that over all turns everything has its full weight.
TEST(Batch, TextInTurnsWeighsAsMuchAsTextAtOnce) {
  TinyWorld world;
  constexpr int every = 4;
  std::vector<TrainPrompt> prompts = world.prompts();
  prompts[1].answers.resize(1);  // so that turns can be told apart
  prompts[1].answers[0].weight = 1;
  std::vector<int> all(prompts.size());
  std::iota(all.begin(), all.end(), 0);
  auto pack = [&](int text_every, int turn) {
    const Packing packing{AnswerSet::accepted, SftWeights::split, {}, 0.25, text_every, turn};
    return pack_micro_batch(prompts, all, all, packing, world.model().shape(), test_device());
  };
  auto first_and_rest = [](const MicroBatch& batch) {
    const double whole = batch.sft_weight_E.sum().item<double>();
    const double first = batch.sft_weight_E.index_select(0, batch.steering_IK.flatten()).sum().item<double>();
    return std::pair(first, whole - first);
  };
  const MicroBatch at_once = pack(1, 0);
  const auto [first, rest] = first_and_rest(at_once);
  const auto count = static_cast<double>(all.size());
  EXPECT_NEAR(first, count, 1e-4);
  EXPECT_NEAR(rest, 0.25 * count, 1e-4);
  int64_t rows = 0;
  double rests = 0;
  for (int turn = 0; turn < every; ++turn) {
    const MicroBatch batch = pack(every, turn);
    EXPECT_NEAR(first_and_rest(batch).first, first, 1e-4) << turn;
    EXPECT_EQ(batch.sft_normalizer, at_once.sft_normalizer);
    EXPECT_LT(batch.tree_tokens, at_once.tree_tokens);
    rests += first_and_rest(batch).second;
    rows += batch.example_rows;
  }
  EXPECT_NEAR(rests, every * rest, 1e-3);
  EXPECT_EQ(rows, at_once.example_rows);
  EXPECT_LT(pack(every, 3).example_rows, pack(every, 0).example_rows);  // 1 + 3 is divisible by 4
}

TEST(Batch, MismatchedAnswersAreThoseOfThePromptBehind) {
  TinyWorld world;
  const std::vector<int> batch = {2, 9};
  const MicroBatch packed = pack_micro_batch(world.prompts(), batch, {2},
                                             {AnswerSet::accepted_rejected_mismatched, SftWeights::split},
                                             world.model().shape(), test_device());
  const auto& behind = world.prompts()[9].answers;
  ASSERT_EQ(packed.mismatched.weight_A.size(0), static_cast<int64_t>(behind.size()));
  for (size_t a = 0; a < behind.size(); ++a) {
    EXPECT_NEAR(packed.mismatched.weight_A[static_cast<int64_t>(a)].item<double>(), behind[a].weight / 2,
                1e-6);
  }
}

MicroBatch pack_kto(const TinyWorld& world, const std::vector<TrainPrompt>& prompts, const KtoConfig& kto) {
  return pack_micro_batch(prompts, {2, 9}, {2},
                          {AnswerSet::accepted_rejected_mismatched, SftWeights::split, kto},
                          world.model().shape(), test_device());
}

TEST(Batch, RotatedAnswersAreHalfThePromptsOwnRejectedOnes) {
  TinyWorld world;
  KtoConfig kto;
  kto.pairs = KtoPairs::rotated;
  const MicroBatch packed = pack_kto(world, world.prompts(), kto);
  const at::Tensor weight = packed.mismatched.weight_A, accepted = packed.mismatched.accepted_A;
  EXPECT_NEAR(weight.sum().item<double>(), 1, 1e-6);
  EXPECT_NEAR((weight * accepted).sum().item<double>(), 0.5, 1e-6);
  // A prompt's own rejected answers use edges that its other answers also use.
  const at::Tensor own = packed.answers.edge_AL.masked_select(packed.answers.mask_AL.to(at::kBool));
  const at::Tensor rejected = packed.mismatched.edge_AL.masked_select(
      packed.mismatched.mask_AL.to(at::kBool).logical_and(accepted.logical_not().unsqueeze(1)));
  ASSERT_GT(rejected.size(0), 0);
  EXPECT_TRUE(at::isin(rejected, own).all().item<bool>());
}

TEST(Batch, KtoCoversTheFirstPositionOnlyWhenItIsToCoverAll) {
  TinyWorld world;
  KtoConfig kto;
  const MicroBatch rest = pack_kto(world, world.prompts(), kto);
  kto.positions = KtoPositions::all;
  const MicroBatch all = pack_kto(world, world.prompts(), kto);
  const at::Tensor shorter = rest.answers.mask_AL.sum(1), longer = all.answers.mask_AL.sum(1);
  EXPECT_TRUE(at::equal(shorter + 1, longer));
  EXPECT_TRUE(at::isin(all.answers.edge_AL.select(1, 0), all.steering_IK).all().item<bool>());
  EXPECT_FALSE(at::isin(rest.answers.edge_AL, rest.steering_IK)
                   .masked_select(rest.answers.mask_AL.to(at::kBool))
                   .any()
                   .item<bool>());
}

TEST(Batch, WithoutAnswersOnlySteeringTokensAreRead) {
  TinyWorld world;
  const MicroBatch packed =
      pack_micro_batch(world.prompts(), {2, 9}, {2, 9}, {AnswerSet::none, SftWeights::split},
                       world.model().shape(), test_device());
  EXPECT_EQ(packed.edges.token_E.size(0), 4);
  EXPECT_EQ(packed.edges.rows_R.size(0), 2);
  EXPECT_EQ(packed.answers.weight_A.size(0), 0);
}

TEST(Batch, APromptWithAnswersOfOneSideOrNonePacksToLegalParts) {
  TinyWorld world;
  for (const bool keep_accepted : {true, false}) {
    std::vector<TrainPrompt> prompts = world.prompts();
    for (TrainPrompt& prompt : prompts) {
      std::erase_if(prompt.answers, [&](const auto& answer) { return answer.accepted != keep_accepted; });
    }
    prompts[9].answers.clear();
    for (const KtoPairs pairs : {KtoPairs::mismatched, KtoPairs::rotated}) {
      KtoConfig kto;
      kto.pairs = pairs;
      const MicroBatch packed = pack_kto(world, prompts, kto);
      EXPECT_GT(packed.answers.weight_A.size(0), 0);
      EXPECT_FALSE(packed.mismatched.weight_A.isnan().any().item<bool>());
      const at::Tensor r = log_ratios(at::zeros({packed.edges.token_E.size(0)}),
                                      at::zeros({packed.edges.token_E.size(0)}), packed.mismatched);
      EXPECT_EQ((r * packed.mismatched.weight_A).sum().item<double>(), 0);
    }
  }
}

std::vector<TrainPrompt> plain_prompts(const TinyWorld& world) {
  return train_prompts(world.dataset(), prompts_of(world.dataset(), "train", 0, 0), world.dataset().subjects,
                       world.chat(), 1, AnswerStyle::plain);
}

TEST(Batch, PlainAnswersHaveNoSteeringTokens) {
  TinyWorld world;
  const auto prompts = plain_prompts(world);
  const MicroBatch packed =
      pack_micro_batch(prompts, {0, 4}, {0, 4}, {AnswerSet::accepted, SftWeights::token_mean},
                       world.model().shape(), test_device());
  EXPECT_EQ(packed.steering_IK.size(1), 0);
  EXPECT_EQ(packed.target_IK.size(1), 0);
  EXPECT_EQ(packed.example_rows, 8);  // two categories in two forms
  const std::string text = world.tokenizer().decode(prompts[0].answers[0].tokens);
  EXPECT_EQ(text.rfind("Male", 0), 0U) << text;
}

TEST(Batch, PathsAreAllAnswersOfACategoryEvenThoseThatAreNotWanted) {
  TinyWorld world;
  Dataset dataset = world.dataset();
  dataset.subjects[0].target = {0, 1};
  const auto prompts = train_prompts(dataset, prompts_of(dataset, "train", 0, 0), dataset.subjects,
                                     world.chat(), 1, AnswerStyle::paths);
  const MicroBatch packed =
      pack_micro_batch(prompts, {0, 4}, {0, 4}, {AnswerSet::accepted, SftWeights::sequence},
                       world.model().shape(), test_device());
  EXPECT_EQ(packed.target_IK.sizes(), (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(packed.steering_IK.size(1), 0);
  EXPECT_EQ(packed.paths.edge_AL.size(0), 8);  // two prompts, two categories, two forms
  EXPECT_EQ(packed.example_rows, 6);
  EXPECT_NEAR(packed.sft_normalizer, 2, 1e-12);  // prompts
  double weights = 0;                            // each token has its answer's weight
  for (int p : {0, 4}) {
    for (const auto& answer : prompts[static_cast<size_t>(p)].answers)
      weights += answer.weight * static_cast<double>(answer.tokens.size());
  }
  EXPECT_NEAR(packed.sft_weight_E.sum().item<double>(), weights, 1e-5);
  const MicroBatch bare = pack_micro_batch(prompts, {0, 4}, {0, 4}, {AnswerSet::none, SftWeights::split},
                                           world.model().shape(), test_device());
  EXPECT_EQ(bare.tree_tokens, packed.tree_tokens);
  EXPECT_EQ(bare.paths.edge_AL.size(0), 8);
}

TEST(Batch, TwoFormsOfOneTextWouldCountTwiceAsPaths) {
  TinyWorld world;
  Dataset dataset = world.dataset();
  dataset.answer_forms.push_back("This is {category}.");
  const auto prompts = [&](AnswerStyle style) {
    return train_prompts(dataset, prompts_of(dataset, "train", 0, 1), dataset.subjects, world.chat(), 1,
                         style);
  };
  EXPECT_EQ(testing::error_of([&] { prompts(AnswerStyle::paths); }),
            "two answer forms give subject \"Nurses\" the same answer 'This is Male.', which with steering = "
            "path would count twice; remove one form");
  EXPECT_EQ(testing::error_of([&] { prompts(AnswerStyle::plain); }), "no error");
}

TEST(Batch, ALetterIsASteeringTokenLikeADigit) {
  TinyWorld world;
  const auto prompts =
      train_prompts(world.dataset(), prompts_of(world.dataset(), "train", 0, 0), world.dataset().subjects,
                    world.chat(), 1, AnswerStyle::steered, Steering::letter);
  ASSERT_EQ(prompts[0].steering_tokens.size(), 2U);
  EXPECT_EQ(world.tokenizer().decode(prompts[0].steering_tokens), "AB");
  EXPECT_EQ(prompts[0].answers.size(), world.prompts()[0].answers.size());
  const std::string text = world.tokenizer().decode(prompts[0].answers[0].tokens);
  EXPECT_EQ(text.rfind("A Male", 0), 0U) << text;
}

TEST(Batch, PairsAreWholeAnswersOfDifferentCategories) {
  TinyWorld world;
  const auto prompts = plain_prompts(world);
  const MicroBatch packed = pack_micro_batch(prompts, {0, 4}, {0, 4}, {AnswerSet::pairs, SftWeights::split},
                                             world.model().shape(), test_device());
  ASSERT_EQ(packed.preferred.weight_A.size(0), 8);  // per prompt (Male, Female), (Female, Male) in two forms
  EXPECT_EQ(packed.dispreferred.weight_A.size(0), 8);
  EXPECT_NEAR(packed.preferred.weight_A.sum().item<double>(), 2, 1e-6);
  EXPECT_NEAR(packed.preferred.weight_A[0].item<double>(), 1.0 / 8 / 2, 1e-6);
  EXPECT_FALSE(at::equal(packed.preferred.edge_AL, packed.dispreferred.edge_AL));
  EXPECT_EQ(packed.preferred.mask_AL[0].sum().item<int64_t>(),
            static_cast<int64_t>(prompts[0].answers[0].tokens.size()));
}

TEST(BatchSchedule, EveryPromptOnceAnEpochInEqualBatches) {
  BatchSchedule schedule(std::vector<int>(45, 0), 16, 3);
  ASSERT_EQ(schedule.batches(), 3);
  std::multiset<int> seen;
  std::set<int> batches;
  for (int step = 3; step < 6; ++step) {
    batches.insert(schedule.batch_of_step(step));
    const auto& batch = schedule.batch(schedule.batch_of_step(step));
    EXPECT_EQ(batch.size(), 15U);
    seen.insert(batch.begin(), batch.end());
  }
  EXPECT_EQ(batches.size(), 3U);
  EXPECT_EQ(seen.size(), 45U);
  EXPECT_EQ(std::set<int>(seen.begin(), seen.end()).size(), 45U);
}

TEST(BatchSchedule, ABatchHasEachSubjectAboutEquallyOften) {
  std::vector<int> subjects;
  for (int prompt = 0; prompt < 70; ++prompt) subjects.push_back(prompt / 10);  // ten of each
  const BatchSchedule schedule(subjects, 10, 3);
  ASSERT_EQ(schedule.batches(), 7);
  std::set<int> all;
  for (int batch = 0; batch < schedule.batches(); ++batch) {
    std::map<int, int> times;
    for (int prompt : schedule.batch(batch)) {
      ++times[subjects[static_cast<size_t>(prompt)]];
      all.insert(prompt);
    }
    EXPECT_EQ(times.size(), 7U);
    for (const auto& [subject, count] : times) EXPECT_LE(count, 2) << subject;
  }
  EXPECT_EQ(all.size(), 70U);
  EXPECT_NE(schedule.batch(0), BatchSchedule(subjects, 10, 4).batch(0));
}

TEST(BatchSchedule, CountsThePromptsOfEarlierBatches) {
  const BatchSchedule schedule(std::vector<int>(11, 0), 4, 1);
  ASSERT_EQ(schedule.batches(), 3);
  EXPECT_EQ(schedule.prompts_before(0), 0);
  EXPECT_EQ(schedule.prompts_before(2),
            static_cast<int>(schedule.batch(0).size() + schedule.batch(1).size()));
}

TEST(SplitBatch, DealsEveryPromptOnceAndLeavesEmptyListsForTooFew) {
  TinyWorld world;
  const auto parts = split_batch(world.prompts(), {3, 1, 2}, 4);
  ASSERT_EQ(parts.size(), 4U);
  std::multiset<int> seen;
  for (const auto& part : parts) seen.insert(part.begin(), part.end());
  EXPECT_EQ(seen, (std::multiset<int>{1, 2, 3}));
}

TEST(Batch, APlantedFaultMovesWeightToWrongTextAndLeavesTheSteeringTokensTheirShares) {
  const TinyWorld world;
  std::vector<TrainPrompt> prompts = world.prompts();
  plant_wrong_text(prompts, 0.2);
  for (size_t p = 0; p < prompts.size(); ++p) {
    double wrong = 0;
    std::map<int32_t, double> shares;
    for (size_t a = 0; a < prompts[p].answers.size(); ++a) {
      const auto& answer = prompts[p].answers[a];
      EXPECT_TRUE(answer.accepted);
      shares[answer.tokens.front()] += answer.weight;
      if (!world.prompts()[p].answers[a].accepted) wrong += answer.weight;
    }
    EXPECT_NEAR(wrong, 0.2, 1e-12);
    for (size_t k = 0; k < prompts[p].target.size(); ++k)
      EXPECT_NEAR(shares[prompts[p].steering_tokens[k]], prompts[p].target[k], 1e-12);
  }
}

}  // namespace
}  // namespace apportion
