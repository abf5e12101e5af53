// From an answer's text to its category: the last whole-word, case-insensitive mention of a category's name,
// in a joint dataset of one of each attribute; of a story the category most mentioned. Where the names come
// from is shared/data/templates.h.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shared/data/dataset.h"

namespace apportion {

inline constexpr int unparsed = -1;
inline constexpr int no_story = -2;      // where stories were asked for (story.h)
inline constexpr int judge_failed = -3;  // a judge was asked and gave no category that there is

/// By which words a text mentions a category: its names and synonyms, or its judge words besides.
enum class Words { names, names_and_judge_words };

/// Compiled names (and synonyms) of a dataset's categories, or of each attribute's of a joint one. Words are
/// Unicode's (ICU).
class CategoryParser {
 public:
  explicit CategoryParser(const std::vector<Category>& categories, Words words = Words::names);
  static CategoryParser of(const Dataset& dataset, Words words = Words::names);
  ~CategoryParser();
  CategoryParser(CategoryParser&&) noexcept;

  size_t categories() const;

  /// The category last mentioned in `text` (of two mentions that overlap the longer counts), or `unparsed`.
  /// Of a joint dataset the one of the last mention of each attribute, unparsed when any has none. A mention
  /// has no letter, digit or mark right before or after it, or where it is of a script without blanks begins
  /// and ends where words do (shared/data/words.h); runs of white space count as one space; bytes that are
  /// not UTF-8 are read as U+FFFD.
  int parse(std::string_view text) const;

  /// The category with most mentions in `text`, of equally many the one mentioned first; `unparsed` where
  /// there is no mention. Of a joint dataset attribute by attribute, unparsed when any has none.
  int most_mentioned(std::string_view text) const;

  /// The text cut at its mentions of categories (of mentions that overlap the longest counts): what is before
  /// the first, and each one's category with what follows it, up to the next. Folded and in UTF-8. A joint
  /// category is mentioned where all attributes have been since the one before.
  struct CutText {
    std::string before;
    std::vector<std::pair<int, std::string>> mentions;
  };
  CutText cut(std::string_view text) const;

 private:
  struct Names;
  CategoryParser();
  std::unique_ptr<Names> names_;
};

/// Throws UserError when an answer form, filled with a category, does not parse to that category for some
/// subject (a form such as "{category}, not Male"). No answer could then be counted as what it was trained to
/// say.
void check_answer_forms(const Dataset& dataset);

}  // namespace apportion
