// Where words begin and end in scripts that put no blanks between them (Chinese and Japanese characters,
// Thai, Lao, Khmer, Burmese), by ICU's dictionaries. Callers cut texts of other scripts at blanks.
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
/// Whether its categories' names or its answer forms have one: dictionaries then cut its answers into words.
bool has_unspaced(const Dataset& dataset);

/// The words of a text in UTF-8, by ICU.
std::vector<std::string> words_by_dictionary(std::string_view text);

/// The boundaries between the words of a text, which must outlive this; found when first asked for. For one
/// thread.
class WordBoundaries {
 public:
  explicit WordBoundaries(const icu::UnicodeString& text) : text_(text) {}

  bool at(int32_t index);
  /// What lies between boundaries and is not a blank, mark or number.
  std::vector<std::string> words();

 private:
  icu::BreakIterator& iterator();

  const icu::UnicodeString& text_;
  std::unique_ptr<icu::BreakIterator> iterator_;
};

}  // namespace apportion
