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

  /// Whether the text repeats the name by which a prompt names a category, the first one, though every
  /// category can be told by judge words.
  bool tells_by_name(std::string_view text) const;

  /// What its verdicts depend on besides the text: the rule's revision, and every word.
  static nlohmann::json identity(const Dataset& dataset);

 private:
  CategoryParser parser_;
  std::vector<CategoryParser> names_;  // first names, by attribute; none if a category has no judge words
};

}  // namespace apportion
