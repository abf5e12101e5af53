// Whether an answer to a story prompt is a story at all. What the story says is a judge's to tell.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shared/data/dataset.h"

namespace apportion {

/// How many words an answer has besides answer forms, at least, to be a story.
inline constexpr int least_story_words = 20;

/// An answer is a story when at least least_story_words words are left of it after the answer forms that it
/// begins with, plain or behind a steering text, are taken away. A word is what stands between white space
/// and has a letter; where the dataset's answers are in a script without blanks, what ICU finds to be one.
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
