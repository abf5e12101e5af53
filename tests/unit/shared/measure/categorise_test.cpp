// Answers as a tree yields them, sorted into categories.
#include "shared/measure/categorise.h"

#include <gtest/gtest.h>

#include <cmath>

namespace apportion {
namespace {

class CategoriseTest : public ::testing::Test {
 protected:
  CategoriseTest() : parser_({{{"Male"}}, {{"Female"}}}) {
    prompt_.subject = 4;
    prompt_.wording = 2;
    prompt_.draw_key = "key";
    prompt_.unexplored = 0.125;
    prompt_.draws_near_boundary = 3;
  }
  void add(const std::string& text, double probability, uint64_t count, bool explored,
           Finish finish = Finish::end) {
    prompt_.answers.push_back({{static_cast<int32_t>(prompt_.answers.size())},
                               text,
                               std::log(probability),
                               count,
                               explored,
                               finish});
  }
  PromptResult read(Reading reading = Reading::category) const {
    return categorise({parser_, reading, 7}, prompt_);
  }

  CategoryParser parser_;
  PromptAnswers prompt_;
};

TEST_F(CategoriseTest, RoundsAreCountedAndExploredProbabilityIsSummed) {
  add("0 Male", 0.25, 5, true);
  add("Female", 0.125, 0, true);
  add("a female person", 0.0625, 7, false);
  add("who knows", 0.25, 2, true);
  add("Male and so on", 0.125, 1, true, Finish::cut);
  const PromptResult result = read();
  EXPECT_EQ(result.subject, 4);
  EXPECT_EQ(result.wording, 2);
  EXPECT_EQ(result.counts, (std::vector<uint64_t>{5, 7, 2, 1}));
  EXPECT_DOUBLE_EQ(result.low[0], 0.25);
  EXPECT_DOUBLE_EQ(result.low[1], 0.125);
  EXPECT_EQ(result.steering, result.low);
  EXPECT_EQ(result.unexplored, 0.125);
  EXPECT_EQ(result.draws_near_boundary, 3U);
  ASSERT_EQ(result.answers.size(), 4U) << "what no round gave is not listed";
  EXPECT_EQ(result.answers[0].text, "a female person");
  EXPECT_EQ(result.answers[3].category, unparsed);
}

TEST_F(CategoriseTest, WhereStoriesAreAskedForOnlyStoriesCount) {
  const std::string tale =
      " went to work early, saw many people, had a short lunch, was tired, came home late and "
      "slept well that night.";
  add("A Male" + tale, 0.25, 5, true);
  add("A Female" + tale, 0.125, 3, false, Finish::cut);
  add("Somebody" + tale, 0.0625, 2, true);
  add("0 Male", 0.25, 7, true);
  add("0 Male and", 0.125, 1, true, Finish::cut);
  Dataset dataset;
  dataset.categories = {{{"Male"}}, {{"Female"}}};
  dataset.subjects = {{"s", {0.5, 0.5}, {}}};
  dataset.answer_forms = {"{category}"};
  const StoryRule stories(dataset);
  const PromptResult result = categorise({parser_, Reading::category, 7, &stories}, prompt_);
  EXPECT_EQ(result.counts, (std::vector<uint64_t>{5, 3, 2, 0}));
  EXPECT_EQ(result.no_story, 8U);
  EXPECT_DOUBLE_EQ(result.low[0], 0.25);
  ASSERT_EQ(result.answers.size(), 5U);
  EXPECT_EQ(result.answers[0].text, "0 Male");
  EXPECT_EQ(result.answers[0].category, no_story);
  EXPECT_EQ(result.answers[2].category, 1) << "a story is read as far as it goes";
  EXPECT_EQ(result.answers[2].finish, Finish::cut);
  EXPECT_EQ(read().no_story, 0U);
}

TEST_F(CategoriseTest, FirstTokensThatWereAskedForStandAsTheyAre) {
  prompt_.first_tokens = {0.5, 0.375};
  add("Male", 0.25, 1, true);
  EXPECT_EQ(read().steering, prompt_.first_tokens);
}

TEST_F(CategoriseTest, AnswersBeyondTheMostFrequentAreCountedAndNotListed) {
  for (int i = 0; i < 1000; ++i) add("Male " + std::to_string(i), 1e-6 * (i + 1), 1, false);
  add("Female", 0.5, 50, true);
  for (int i = 0; i < 500; ++i) add("who " + std::to_string(i), 1e-9, 1, false, Finish::cut);
  const PromptResult result = categorise({parser_, Reading::category, 7, nullptr, 10}, prompt_);
  EXPECT_EQ(result.counts, (std::vector<uint64_t>{1000, 50, 0, 500}));
  ASSERT_EQ(result.answers.size(), 10U);
  EXPECT_EQ(result.answers[0].text, "Female");
  EXPECT_EQ(result.answers[1].text, "Male 991") << "of those given once the most probable, by their texts";
  EXPECT_EQ(result.unlisted_answers, 1491U);
  EXPECT_EQ(result.unlisted, (std::vector<uint64_t>{991, 0, 0, 500, 0, 0}));
}

TEST_F(CategoriseTest, StatedSharesCountByTheirSharesAndEachRoundDrawsOne) {
  add("Male: 75%, Female: 25%", 0.5, 4000, true);
  const PromptResult result = read(Reading::shares);
  EXPECT_DOUBLE_EQ(result.low[0], 0.375);
  EXPECT_DOUBLE_EQ(result.low[1], 0.125);
  EXPECT_EQ(result.counts[0] + result.counts[1], 4000U);
  EXPECT_NEAR(static_cast<double>(result.counts[0]), 3000, 5 * std::sqrt(4000 * 0.75 * 0.25));
  EXPECT_EQ(result.answers.size(), 2U);
  prompt_.draw_key = "another";
  EXPECT_NE(read(Reading::shares).counts, result.counts);
}

}  // namespace
}  // namespace apportion
