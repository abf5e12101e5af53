// Whether an answer to a story prompt is a story at all. A judge tells what the story says.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shared/data/dataset.h"

namespace apportion {

/// The fewest words, besides answer forms, that make an answer a story.
inline constexpr int least_story_words = 20;

/// An answer is a story when at least least_story_words words remain after removing the answer forms that it
/// begins with, plain or after a steering text. A word is anything between white space that has a letter;
/// where the dataset's answers are in a script without blanks, whatever ICU finds to be a word.
class StoryRule {
 public:
  /// The forms are the dataset's, filled for each of its subjects and categories.
  explicit StoryRule(const Dataset& dataset);

  bool is_story(std::string_view text) const;

 private:
  int count_words(std::string_view text) const;

  bool by_dictionary_;
  std::vector<std::string> forms_;  // folded, longest first
};

}  // namespace apportion
