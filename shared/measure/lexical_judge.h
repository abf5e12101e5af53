// Tells which category a story is about from its words. Whether a text is a story is story.h's to say.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "shared/measure/category.h"

namespace apportion {

/// Reads whole words, case aside: the categories' names, synonyms and judge words (pronouns). The category
/// with most mentions counts, since a story comes back to its person and names others in passing; of equally
/// many the one mentioned first, since a story begins with its person.
class LexicalJudge {
 public:
  explicit LexicalJudge(const Dataset& dataset);

  /// A category, or `unparsed` where no word of any is there.
  int judge(std::string_view text) const { return parser_.most_mentioned(text); }

  /// What its verdicts depend on besides the text: the rule's revision, and every word.
  static nlohmann::json identity(const Dataset& dataset);

 private:
  CategoryParser parser_;
};

}  // namespace apportion
