// Rounds and exact shares of a tiny model, compared with the same computed path by path.
#include "worker/sample/measure_units.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "shared/measure/categorise.h"
#include "shared/measure/verbalized.h"
#include "tests/support/worker/tiny_world.h"
#include "worker/losses/log_probs.h"
#include "worker/sample/forecast_rounds.h"
#include "worker/train/trainer.h"

namespace apportion {
namespace {

using testing::TinyWorld;

class AnswerTreeTest : public ::testing::Test {
 protected:
  AnswerTreeTest()
      : adapter_(world_.model().shape(), TinyWorld::lora(), 1, test_device()),
        parser_(world_.dataset().categories) {
    auto collectives = make_local_collectives();
    Trainer trainer({world_.model(), world_.prompts(), BatchConfig{6, 4}, testing::short_warmup(), 5,
                     *collectives, [](const StepReport&) {}},
                    adapter_);
    SftConfig sft = testing::muon_sft();
    sft.steps = 60;
    sft.learning_rate = 1e-2;
    sft.text_weight = 1;  // so few steps must teach the texts as well
    trainer.run_sft(sft);
    config_.exact_threshold = 1e-4;
    config_.exact_nodes = 4000;
    config_.max_answer_tokens = 24;
  }

  MeasurePrompt prompt(size_t index, uint64_t rounds) const {
    const TrainPrompt& source = world_.prompts()[index];
    return {static_cast<int>(index), 0,      source.tokens,
            source.steering_tokens,  rounds, "key " + std::to_string(index)};
  }
  std::vector<PromptAnswers> answers(const std::vector<MeasurePrompt>& prompts,
                                     std::function<bool(std::string_view)> is_enough = nullptr) const {
    const MeasureTools tools{world_.model(), &adapter_, world_.tokenizer(),  world_.chat().end_of_turn(),
                             config_,        seed,      std::move(is_enough)};
    return measure_unit(tools, prompts).prompts;
  }
  std::vector<PromptResult> measure(const std::vector<MeasurePrompt>& prompts,
                                    Reading reading = Reading::category) const {
    std::vector<PromptResult> results;
    for (const PromptAnswers& prompt : answers(prompts)) {
      results.push_back(categorise({parser_, reading, seed}, prompt));
    }
    return results;
  }
  /// Log-prob of `answer` and the end of turn after prompt `index`, from one forward pass over the whole
  /// path.
  double log_prob_alone(size_t index, const std::string& answer) const {
    std::vector<int32_t> path = world_.prompts()[index].tokens;
    std::vector<int32_t> tokens;
    for (const TokenSpan& span : world_.tokenizer().encode(answer, SpecialTokens::as_text))
      tokens.push_back(span.id);
    tokens.push_back(world_.chat().end_of_turn());
    TokenTree tree;
    int32_t end = tree.add_path(no_node, path);
    std::vector<int64_t> rows, ids;
    for (int32_t token : tokens) {
      rows.push_back(end);
      ids.push_back(token);
      end = tree.child(end, token);
    }
    std::vector<int32_t> all(static_cast<size_t>(tree.size()));
    std::iota(all.begin(), all.end(), 0);
    c10::NoGradGuard no_gradient;
    TokenRows token_row = token_rows(tree, all, packed_block_rows, world_.model().shape(), test_device());
    at::Tensor hidden = world_.model().hidden(token_row, &adapter_);
    const EdgeIndex edges{at::tensor(rows, at::kLong),
                          at::arange(static_cast<int64_t>(rows.size()), at::kLong),
                          at::tensor(ids, at::kLong)};
    return edge_log_probs(world_.model(), hidden, edges).sum().item<double>();
  }

  static constexpr uint64_t seed = 3;
  TinyWorld world_;
  Adapter adapter_;
  CategoryParser parser_;
  MeasureConfig config_;
};

TEST_F(AnswerTreeTest, SharesRoundsAndLogProbsAgree) {
  const std::vector<PromptResult> unit = measure({prompt(0, 20000), prompt(5, 500)});
  for (const PromptResult& result : unit) {
    const uint64_t rounds = std::accumulate(result.counts.begin(), result.counts.end(), uint64_t{0});
    EXPECT_EQ(rounds, result.subject == 0 ? 20000U : 500U);
    EXPECT_LT(result.unexplored, 0.4);
    uint64_t listed = 0;
    for (const AnswerCount& answer : result.answers) listed += answer.count;
    EXPECT_EQ(listed, rounds);
    for (size_t j = 0; j < 2; ++j) {
      const double share = static_cast<double>(result.counts[j]) / static_cast<double>(rounds);
      const double noise = 5 * std::sqrt(0.25 / static_cast<double>(rounds));
      EXPECT_GT(share, result.low[j] - noise);
      EXPECT_LT(share, result.low[j] + result.unexplored + noise);
    }
  }
  const AnswerCount& top = unit[0].answers[0];
  EXPECT_EQ(top.finish, Finish::end);
  EXPECT_NEAR(top.log_prob, log_prob_alone(0, top.text), 1e-4);
}

TEST_F(AnswerTreeTest, AUnitsCompanyDoesNotChangeAPromptsRounds) {
  const PromptResult alone = measure({prompt(3, 300)})[0];
  const PromptResult together = measure({prompt(7, 100), prompt(3, 300), prompt(4, 50)})[1];
  EXPECT_EQ(alone.counts, together.counts);
  for (size_t j = 0; j < 2; ++j) EXPECT_NEAR(alone.low[j], together.low[j], 1e-5);
}

TEST_F(AnswerTreeTest, RoundsThatWaitForTheirTurnAreThoseThatGoTogether) {
  config_.exact_nodes = 40;
  const std::vector<MeasurePrompt> prompts = {prompt(0, 3000), prompt(5, 6000)};
  MeasureTools tools{world_.model(), &adapter_, world_.tokenizer(), world_.chat().end_of_turn(),
                     config_,        seed};
  const UnitResult together = measure_unit(tools, prompts);
  tools.limits = {0, 70, 300};  // room for only the keys that must be there, few rows, few that wait
  const UnitResult in_turns = measure_unit(tools, prompts);
  EXPECT_LT(in_turns.most_slots * 2, together.most_slots);
  for (size_t p = 0; p < prompts.size(); ++p) {
    const PromptResult one = categorise({parser_, Reading::category, seed}, in_turns.prompts[p]),
                       other = categorise({parser_, Reading::category, seed}, together.prompts[p]);
    // Different neighbouring nodes change a row's last bits: a draw that close to a boundary may go another
    // way, and with it the rest of that round.
    uint64_t moved = 0, rounds = 0;
    for (size_t j = 0; j < one.counts.size(); ++j) {
      moved += std::max(one.counts[j], other.counts[j]) - std::min(one.counts[j], other.counts[j]);
      rounds += one.counts[j];
    }
    EXPECT_EQ(rounds, prompts[p].rounds);
    EXPECT_LE(moved, 2 * std::max(one.draws_near_boundary, other.draws_near_boundary));
    EXPECT_GT(one.answers.size(), 100U);
    EXPECT_EQ(one.answers[0].count, other.answers[0].count);
    for (size_t j = 0; j < 2; ++j) EXPECT_NEAR(one.low[j], other.low[j], 1e-5);
    EXPECT_NEAR(one.unexplored, other.unexplored, 1e-5);
  }
}

TEST_F(AnswerTreeTest, AnswersAreTakenAsTheyEnd) {
  const std::vector<MeasurePrompt> prompts = {prompt(0, 500)};
  const MeasureTools tools{world_.model(), &adapter_, world_.tokenizer(), world_.chat().end_of_turn(),
                           config_,        seed};
  const UnitResult kept = measure_unit(tools, prompts);
  std::vector<GivenAnswer> taken;
  const UnitResult rest =
      measure_unit(tools, prompts, [&](size_t, GivenAnswer answer) { taken.push_back(std::move(answer)); });
  EXPECT_TRUE(rest.prompts[0].answers.empty());
  ASSERT_EQ(taken.size(), kept.prompts[0].answers.size());
  for (size_t i = 0; i < taken.size(); ++i) EXPECT_EQ(taken[i].tokens, kept.prompts[0].answers[i].tokens);
}

TEST_F(AnswerTreeTest, AFewRoundsForetellHowManyTokensManyRoundsNeed) {
  config_.exact_nodes = 400;
  auto ranks = make_local_collectives();
  for (const Adapter* adapter :
       {static_cast<const Adapter*>(&adapter_), static_cast<const Adapter*>(nullptr)}) {
    const MeasureTools tools{world_.model(), adapter, world_.tokenizer(), world_.chat().end_of_turn(),
                             config_,        seed};
    const std::vector<std::vector<MeasurePrompt>> units = {{prompt(0, 8000), prompt(3, 8000)},
                                                           {prompt(5, 8000)}};
    const RoundsTried tried = try_rounds(tools, units, *ranks);
    EXPECT_EQ(tried.prompts, adapter ? 2 : 1) << "where each round goes its own way, one prompt will do";
    double tokens = 0, drawn = 0;
    measure_units(tools, units, *ranks, [&](size_t, const UnitResult& result) {
      tokens += static_cast<double>(result.tokens);
      drawn += static_cast<double>(result.drawn_nodes);
    });
    EXPECT_GT(drawn, 0.5 * tokens) << "most tokens are of rounds that leave the expansion";
    const double foretold = seconds_of_rounds(tried, units, config_.max_answer_tokens) / tried.seconds *
                            static_cast<double>(tried.tokens);
    std::printf("foretold tokens by needed ones: %.2f; for rounds: %.2f\n", foretold / tokens,
                drawn / tokens);
    EXPECT_GT(foretold, 0.5 * tokens);
    EXPECT_LT(foretold, 2 * tokens);
  }
}

TEST_F(AnswerTreeTest, AUnitsMemoryGrowsWithItsRoundsUpToTheLimits) {
  MeasureTools tools{world_.model(), nullptr, world_.tokenizer(), world_.chat().end_of_turn(), config_, seed};
  const double few = unit_bytes(tools, {prompt(0, 10)}), more = unit_bytes(tools, {prompt(0, 1000)});
  EXPECT_LT(few, more);
  const double most = unit_bytes(tools, {prompt(0, 1000000000)});
  EXPECT_EQ(most, unit_bytes(tools, {prompt(0, 10000000000)}));
  tools.limits.cache_bytes /= 2;
  EXPECT_EQ(most - unit_bytes(tools, {prompt(0, 1000000000)}), tools.limits.cache_bytes);
  EXPECT_EQ(units_at_once(largest_unit_bytes(tools, {{prompt(0, 10)}, {prompt(0, 1000)}}), 3.5 * more), 3);
  EXPECT_EQ(units_at_once(largest_unit_bytes(tools, {{prompt(0, 1000)}}), 0.5 * more), 1)
      << "one is measured whatever it takes";
}

TEST_F(AnswerTreeTest, RoundsDrawACategoryFromTheSharesThatTheirAnswerStates) {
  // The tiny model says "0 Male" and "1 Female": read as shares, Male has nothing and Female everything.
  const std::vector<PromptResult> unit = measure({prompt(0, 2000)}, Reading::shares);
  const PromptResult& result = unit[0];
  EXPECT_EQ(std::accumulate(result.counts.begin(), result.counts.end(), uint64_t{0}), 2000U);
  uint64_t parsed = 0;
  for (const AnswerCount& answer : result.answers) {
    if (answer.finish == Finish::cut) continue;
    const auto shares = verbalized_shares(parser_, answer.text, 2);
    EXPECT_EQ(answer.category == unparsed, shares.empty()) << answer.text;
    if (answer.category == unparsed) continue;
    EXPECT_GT(shares[static_cast<size_t>(answer.category)], 0) << answer.text;
    parsed += answer.count;
  }
  EXPECT_GT(parsed, 0U);
  EXPECT_EQ(result.counts[0] + result.counts[1], parsed);
  for (size_t j = 0; j < 2; ++j) {
    const double share = static_cast<double>(result.counts[j]) / 2000;
    EXPECT_GT(share, result.low[j] - 5 * std::sqrt(0.25 / 2000));
    EXPECT_LT(share, result.low[j] + result.unexplored + 5 * std::sqrt(0.25 / 2000));
  }
}

TEST_F(AnswerTreeTest, WithAllThatIsUnexploredTheAnswersAddToOne) {
  const PromptAnswers prompt_answers = answers({prompt(0, 200)})[0];
  double sum = prompt_answers.unexplored;
  uint64_t rounds = 0;
  for (const GivenAnswer& answer : prompt_answers.answers) {
    if (answer.explored) sum += std::exp(answer.log_prob);
    rounds += answer.count;
    EXPECT_TRUE(answer.explored || answer.count > 0) << answer.text;
    EXPECT_EQ(answer.tokens.back() == world_.chat().end_of_turn(), answer.finish == Finish::end);
    EXPECT_EQ(world_.tokenizer().decode(answer.tokens), answer.text);
  }
  EXPECT_NEAR(sum, 1, 1e-4);
  EXPECT_EQ(rounds, 200U);
}

TEST_F(AnswerTreeTest, WhatSaysEnoughIsFollowedNoFurther) {
  auto says_male = [](std::string_view text) { return text.find("Male") != std::string_view::npos; };
  const PromptAnswers stopped = answers({prompt(0, 200)}, says_male)[0], whole = answers({prompt(0, 200)})[0];
  auto mass = [&](const PromptAnswers& of) {
    double sum = 0;
    for (const GivenAnswer& answer : of.answers) {
      if (answer.explored && says_male(answer.text)) sum += std::exp(answer.log_prob);
    }
    return sum;
  };
  // Everything that follows the word counts: at least the ends that were found, at most all that is left.
  EXPECT_GE(mass(stopped), mass(whole) - 1e-5);
  EXPECT_LE(mass(stopped), mass(whole) + whole.unexplored + 1e-5);
  bool cut_short = false;
  for (const GivenAnswer& answer : stopped.answers) {
    if (answer.tokens.back() == world_.chat().end_of_turn()) continue;
    cut_short |= answer.finish == Finish::end && answer.text.ends_with("Male");
  }
  EXPECT_TRUE(cut_short);
}

TEST_F(AnswerTreeTest, TheBudgetLeavesTheRestUnexplored) {
  config_.exact_nodes = 2;
  const PromptResult result = measure({prompt(0, 10)})[0];
  EXPECT_GT(result.unexplored, 0.5);
  EXPECT_LE(result.unexplored, 1.0);
}

TEST_F(AnswerTreeTest, ManyImprobableBeginningsDoNotUseUpTheBudgetOfTheProbable) {
  config_.exact_threshold = 1e-6;  // hundreds of first tokens are above this
  config_.exact_nodes = 24 * 12;
  const PromptResult result = measure({prompt(0, 10)})[0];
  EXPECT_LT(result.unexplored, 0.3);
  EXPECT_GT(result.low[0] + result.low[1], 0.6);
}

TEST_F(AnswerTreeTest, AnswersWithoutAnEndAreCut) {
  config_.max_answer_tokens = 1;
  const PromptResult result = measure({prompt(0, 50)})[0];
  EXPECT_GT(result.counts.back(), 0U);
  EXPECT_EQ(result.answers[0].finish, Finish::cut);
}

TEST_F(AnswerTreeTest, SteeringIsTheFirstPositionsProbability) {
  const PromptResult result = measure({prompt(2, 1)})[0];
  EXPECT_GT(result.steering[0] + result.steering[1], 0.9);
  EXPECT_NEAR(result.steering[0], world_.prompts()[2].target[0], 0.25);
}

TEST_F(AnswerTreeTest, WithoutSteeringTokensAnswersThatNameACategoryStandForThem) {
  MeasurePrompt path = prompt(2, 40);
  path.steering_tokens.clear();
  const PromptResult result = measure({path})[0], digits = measure({prompt(2, 40)})[0];
  EXPECT_EQ(result.steering, result.low);
  EXPECT_EQ(result.low, digits.low);
  EXPECT_EQ(result.counts, digits.counts);
  EXPECT_GT(result.low[0], 0);
}

}  // namespace
}  // namespace apportion
