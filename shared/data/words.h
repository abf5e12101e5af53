// Where words begin and end in scripts that put no blanks between them (Chinese and Japanese characters,
// Thai, Lao, Khmer, Burmese): by ICU's dictionaries. Texts of other scripts are cut at blanks by who reads
// them.
#pragma once

#include <unicode/brkiter.h>
#include <unicode/unistr.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace apportion {

/// Whether the character is of a script without blanks.
bool is_unspaced(UChar32 code_point);

/// Whether the text has such a character.
bool has_unspaced(std::string_view text);

struct Dataset;
/// Whether the names of its categories, or its answer forms, have one: its answers are then cut into words by
/// dictionaries.
bool has_unspaced(const Dataset& dataset);

/// The words of a text in UTF-8, by ICU.
std::vector<std::string> words_by_dictionary(std::string_view text);

/// The boundaries between the words of a text, which must outlive this; looked for when they are first asked
/// for. Not for several threads.
class WordBoundaries {
 public:
  explicit WordBoundaries(const icu::UnicodeString& text) : text_(text) {}

  bool at(int32_t index);
  /// What is between boundaries and no blank, mark or number.
  std::vector<std::string> words();

 private:
  icu::BreakIterator& iterator();

  const icu::UnicodeString& text_;
  std::unique_ptr<icu::BreakIterator> iterator_;
};

}  // namespace apportion
