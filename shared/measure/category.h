// From an answer's text to its category: the last whole-word, case-insensitive mention of a category's name;
// for a joint dataset, of one name per attribute; for a story, the category most mentioned. The names come
// from shared/data/templates.h.
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
inline constexpr int judge_failed = -3;  // a judge was asked and gave none of the categories

/// The words by which a text mentions a category: its names and synonyms, or its judge words as well.
enum class Words { names, names_and_judge_words };

/// Compiled names (and synonyms) of a dataset's categories, or of each attribute's in a joint one. Words are
/// Unicode's (ICU).
class CategoryParser {
 public:
  explicit CategoryParser(const std::vector<Category>& categories, Words words = Words::names);
  static CategoryParser of(const Dataset& dataset, Words words = Words::names);
  ~CategoryParser();
  CategoryParser(CategoryParser&&) noexcept;

  size_t categories() const;

  /// The category last mentioned in `text` (of two overlapping mentions the longer counts), or `unparsed`.
  /// For a joint dataset, the category of each attribute's last mention; unparsed when any has none. A
  /// mention has no letter, digit or mark right before or after it or, in a script without blanks, begins and
  /// ends where words do (shared/data/words.h). A run of white space counts as one space; bytes that are not
  /// UTF-8 are read as U+FFFD.
  int parse(std::string_view text) const;

  /// The category with most mentions in `text`, or the first mentioned of equals; `unparsed` without any
  /// mention. For a joint dataset, attribute by attribute; unparsed when any has none.
  int most_mentioned(std::string_view text) const;

  /// The text cut at its mentions of categories (of overlapping ones the longest counts): what precedes the
  /// first, and each one's category with the text up to the next. Folded, in UTF-8. A joint category is
  /// mentioned once all attributes have been since the last one.
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
/// subject (such as "{category}, not Male"): no answer could then be counted as what it was trained to say.
void check_answer_forms(const Dataset& dataset);

}  // namespace apportion
