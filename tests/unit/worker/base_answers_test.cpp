// Where a drawn story first tells its category.
#include "worker/base_answers.h"

#include <gtest/gtest.h>

#include "tests/support/worker/tiny_world.h"

namespace apportion {
namespace {

TEST(BaseAnswers, AStoryIsCutWhereItTellsItsCategory) {
  testing::TinyWorld world;
  const LexicalJudge judge(world.dataset());
  auto cut = [&](const std::string& text, int category) -> std::string {
    std::vector<int32_t> tokens;
    for (const TokenSpan& token : world.tokenizer().encode(text, SpecialTokens::as_text))
      tokens.push_back(token.id);
    const auto story = told_story(tokens, category, world.tokenizer(), judge);
    if (!story) return "-";
    EXPECT_EQ(story->told, story->tokens.size() - 2);
    return world.tokenizer().decode(story->tokens);
  };
  EXPECT_EQ(cut("See: a man is here", 0), "See: a man is");
  EXPECT_EQ(cut("See: a man is here", 1), "-");
  EXPECT_EQ(cut("A manner, then a woman.", 1), "A manner, then a woman.");
  EXPECT_EQ(cut("A woman, then a man.", 0), "-");  // the first category told counts
  EXPECT_EQ(cut("Nobody at all", 0), "-");
  EXPECT_EQ(cut("It was a man", 0), "-");  // the word may still continue
}

TEST(BaseAnswers, AStoryThatRepeatsThePromptsNameIsNone) {
  testing::TinyWorld world;
  Dataset dataset = world.dataset();
  for (Category& category : dataset.categories) category.judge_words = {category.names.front() + "like"};
  const std::string name = dataset.categories[0].names.front();
  auto is_told = [&](const std::string& text) {
    std::vector<int32_t> tokens;
    for (const TokenSpan& token : world.tokenizer().encode(text, SpecialTokens::as_text))
      tokens.push_back(token.id);
    return told_story(tokens, 0, world.tokenizer(), LexicalJudge(dataset)).has_value();
  };
  EXPECT_TRUE(is_told("See: this is " + name + "like here"));
  EXPECT_FALSE(is_told("See: this is " + name + " here"));
}

}  // namespace
}  // namespace apportion
