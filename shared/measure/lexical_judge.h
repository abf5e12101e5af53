// Tells from a story's words which category it is about. story.h says whether a text is a story.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "shared/measure/category.h"

namespace apportion {

/// Reads whole words, ignoring case: the categories' names, synonyms and judge words (pronouns). The category
/// with most mentions counts, since a story comes back to its person and names others in passing; among
/// equals the one mentioned first, since a story begins with its person.
class LexicalJudge {
 public:
  explicit LexicalJudge(const Dataset& dataset);

  /// A category, or `unparsed` when it has no word of any.
  int judge(std::string_view text) const { return parser_.most_mentioned(text); }

  /// What its verdicts depend on besides the text: the rule's revision, and every word.
  static nlohmann::json identity(const Dataset& dataset);

 private:
  CategoryParser parser_;
};

/// The names by which prompts for stories name categories: each one's first.
class PromptNames {
 public:
  explicit PromptNames(const Dataset& dataset);

  /// Whether the text has the category's name (of a joint one any attribute's), though judge words can tell
  /// every category.
  bool are_in(std::string_view text, int category) const;

 private:
  std::vector<Attribute> attributes_;
  std::vector<std::vector<CategoryParser>> names_;  // by attribute and category; none if judge words lack
};

}  // namespace apportion
