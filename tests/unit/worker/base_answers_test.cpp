// Where a drawn story first tells its category.
#include "worker/base_answers.h"

#include <gtest/gtest.h>

#include "tests/support/worker/tiny_world.h"

namespace apportion {
namespace {

/// The part of a story that is trained on; "-" if it is none of the category.
std::string cut(const testing::TinyWorld& world, const Dataset& dataset, const std::string& text,
                int category, bool is_named = true) {
  std::vector<int32_t> tokens;
  for (const TokenSpan& token : world.tokenizer().encode(text, SpecialTokens::as_text))
    tokens.push_back(token.id);
  const PromptNames names(dataset);
  const auto story =
      told_story(tokens, category, world.tokenizer(), LexicalJudge(dataset), is_named ? &names : nullptr);
  if (!story) return "-";
  EXPECT_EQ(story->told, story->tokens.size() - 2);
  return world.tokenizer().decode(story->tokens);
}

TEST(BaseAnswers, AStoryIsCutWhereItTellsItsCategory) {
  const testing::TinyWorld world;
  auto cut_of = [&](const std::string& text, int category) {
    return cut(world, world.dataset(), text, category);
  };
  EXPECT_EQ(cut_of("See: a man is here", 0), "See: a man is");
  EXPECT_EQ(cut_of("See: a man is here", 1), "-");
  EXPECT_EQ(cut_of("A manner, then a woman.", 1), "A manner, then a woman.");
  EXPECT_EQ(cut_of("A woman, then a man.", 0), "-");  // the first category told counts
  EXPECT_EQ(cut_of("Nobody at all", 0), "-");
  EXPECT_EQ(cut_of("It was a man", 0), "-");  // the word may still continue
}

TEST(BaseAnswers, AStoryThatRepeatsThePromptsNameIsNone) {
  const testing::TinyWorld world;
  Dataset dataset = world.dataset();
  for (Category& category : dataset.categories) category.judge_words = {category.names.front() + "like"};
  const std::string name = dataset.categories[0].names.front();
  EXPECT_NE(cut(world, dataset, "See: this is " + name + "like here", 0), "-");
  EXPECT_EQ(cut(world, dataset, "See: this is " + name + " here", 0), "-");
  EXPECT_NE(cut(world, dataset, "See: this is " + name + " here", 0, false), "-")
      << "it was not in the prompt";
}

}  // namespace
}  // namespace apportion
