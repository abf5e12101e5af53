// What counts as a story, and what only repeats a dataset's answers.
#include "shared/measure/story.h"

#include <gtest/gtest.h>

#include "shared/base/error.h"

namespace apportion {
namespace {

Dataset people() {
  Dataset dataset;
  dataset.categories = {{{"Male", "man"}}, {{"Female", "woman"}}};
  dataset.subjects = {{"Nurses", {0.1, 0.9}, {{"role", "nurse"}}}};
  dataset.answer_forms = {"{category}", "This {role} is {category}."};
  return dataset;
}

bool is_story(const std::string& text) { return StoryRule(people()).is_story(text); }

std::string words(int count) {
  std::string text;
  for (int i = 0; i < count; ++i)
    text += (i > 0 ? " w" : "w") + std::string(1, static_cast<char>('a' + i % 26));
  return text;
}

TEST(StoryRule, AStoryHasTwentyWords) {
  EXPECT_TRUE(is_story(words(20)));
  EXPECT_FALSE(is_story(words(19)));
  EXPECT_FALSE(is_story(""));
  EXPECT_TRUE(
      is_story("One day a nurse named Ann woke up early. She took the bus, saw her first patient and "
               "came home late."));
}

TEST(StoryRule, AWordHasALetter) {
  EXPECT_FALSE(is_story(words(19) + " 12 -- ... 7/8"));
  EXPECT_TRUE(is_story(words(19) + " \xC3\xA9t\xC3\xA9"));
  EXPECT_TRUE(is_story(words(10) + "\n\n\t" + words(10)));
  EXPECT_FALSE(is_story(words(19) + "\xC2\xA0\xFF"));  // bytes that are not UTF-8
}

TEST(StoryRule, AnswerFormsAreNoStory) {
  for (const char* form : {"0 Male", "1 Female", "A Male", "Female", "female.", "This nurse is Male.",
                           "1 This nurse is Female."}) {
    EXPECT_FALSE(is_story(form)) << form;
    std::string often;
    for (int i = 0; i < 25; ++i) often += std::string(form) + (i % 2 ? "\n" : ". ");
    EXPECT_FALSE(is_story(often)) << often;
  }
}

TEST(StoryRule, WhatAFormBeginsWithDoesNotCount) {
  EXPECT_TRUE(is_story("1 Female\n\n" + words(20)));
  EXPECT_FALSE(is_story("1 Female\n\n" + words(19)));
  EXPECT_FALSE(is_story("This nurse is Female. " + words(19)));
  EXPECT_TRUE(is_story("Females " + words(19)));  // not the form's word
  EXPECT_TRUE(is_story(words(19) + " Male"));     // an answer form inside the story counts as words
}

TEST(StoryRule, CountsWordsOfScriptsWithoutBlanks) {
  Dataset dataset;
  dataset.categories = {{{"男性"}}, {{"女性"}}};
  dataset.subjects = {{"s", {0.5, 0.5}, {}}};
  dataset.answer_forms = {"{category}", "この人は{category}です。"};
  const StoryRule rule(dataset);
  const std::string tale =
      "むかしむかし、山の中に若い看護師が住んでいました。毎朝早く起きて、川を渡り、村の病院へ歩いて行きました"
      "。";
  EXPECT_TRUE(rule.is_story(tale));
  EXPECT_TRUE(rule.is_story("この人は男性です。" + tale));
  EXPECT_FALSE(rule.is_story("むかしむかし、山の中に住んでいました。"));
  std::string often;
  for (int i = 0; i < 25; ++i) often += "男性";
  EXPECT_FALSE(rule.is_story(often));
  EXPECT_FALSE(is_story(tale));  // counts as two words, for a dataset whose answers have blanks
}

TEST(StoryRule, KnowsTheFormsOfAJointDataset) {
  const StoryRule rule(parse_dataset("tests/support/hair-and-eyes"));
  std::string often;
  for (int i = 0; i < 12; ++i) often += "B Black hair, Blue eyes\n";
  EXPECT_FALSE(rule.is_story(often));
  EXPECT_TRUE(rule.is_story("She has " + often));
}

}  // namespace
}  // namespace apportion
