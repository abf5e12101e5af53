#include "shared/data/words.h"

#include <unicode/locid.h>
#include <unicode/ubrk.h>
#include <unicode/uscript.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>

#include "shared/base/error.h"
#include "shared/data/dataset.h"

namespace apportion {

bool is_unspaced(UChar32 code_point) {
  constexpr UChar32 first = 0x0E00;  // Thai's, the lowest
  static constexpr std::array scripts = {USCRIPT_HAN, USCRIPT_HIRAGANA, USCRIPT_KATAKANA, USCRIPT_THAI,
                                         USCRIPT_LAO, USCRIPT_KHMER,    USCRIPT_MYANMAR};
  return code_point >= first && std::any_of(scripts.begin(), scripts.end(), [&](UScriptCode script) {
           return uscript_hasScript(code_point, script) != 0;
         });
}

bool has_unspaced(std::string_view text) {
  // Quick check: all of them have a first byte of E0 or above.
  if (std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0xE0; }))
    return false;
  for (size_t offset = 0; offset < text.size();) {
    UChar32 code_point = 0;
    U8_NEXT(text.data(), offset, text.size(), code_point);
    if (is_unspaced(code_point)) return true;
  }
  return false;
}

bool has_unspaced(const Dataset& dataset) {
  const auto in_text = [](const std::string& text) { return has_unspaced(text); };
  const auto in_category = [&](const Category& category) {
    return std::any_of(category.names.begin(), category.names.end(), in_text);
  };
  const auto in_categories = [&](const std::vector<Category>& categories) {
    return std::any_of(categories.begin(), categories.end(), in_category);
  };
  return in_categories(dataset.categories) ||
         std::any_of(dataset.attributes.begin(), dataset.attributes.end(),
                     [&](const Attribute& attribute) { return in_categories(attribute.categories); }) ||
         std::any_of(dataset.answer_forms.begin(), dataset.answer_forms.end(), in_text);
}

std::vector<std::string> words_by_dictionary(std::string_view text) {
  const auto whole = icu::UnicodeString::fromUTF8({text.data(), static_cast<int32_t>(text.size())});
  return WordBoundaries(whole).words();
}

bool WordBoundaries::at(int32_t index) { return iterator().isBoundary(index) != 0; }

std::vector<std::string> WordBoundaries::words() {
  std::vector<std::string> words;
  int32_t begin = iterator().first();
  for (int32_t end = iterator().next(); end != icu::BreakIterator::DONE; end = iterator().next()) {
    if (iterator().getRuleStatus() >= UBRK_WORD_LETTER)
      text_.tempSubStringBetween(begin, end).toUTF8String(words.emplace_back());
    begin = end;
  }
  return words;
}

icu::BreakIterator& WordBoundaries::iterator() {
  if (!iterator_) {
    UErrorCode status = U_ZERO_ERROR;
    iterator_.reset(icu::BreakIterator::createWordInstance(icu::Locale::getRoot(), status));
    ensure(U_SUCCESS(status), "ICU has its rules and dictionaries of words");
    iterator_->setText(text_);
  }
  return *iterator_;
}

}  // namespace apportion
