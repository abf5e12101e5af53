#include "shared/measure/story.h"

#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <cstdint>
#include <set>

#include "shared/data/example.h"
#include "shared/data/text_file.h"
#include "shared/data/words.h"

namespace apportion {
namespace {

/// The next code point of `text` at `at`, which moves past it; U+FFFD for bytes that are not UTF-8.
UChar32 next_code_point(std::string_view text, int32_t& at) {
  UChar32 code_point = 0;
  U8_NEXT_OR_FFFD(text.data(), at, static_cast<int32_t>(text.size()), code_point);
  return code_point;
}

/// Folds text for comparison, with each run of white space as one space, and none at the ends.
std::string normalise(std::string_view text) {
  const std::string folded = fold_case(text);
  std::string normalised;
  bool space = false;
  for (int32_t at = 0; at < static_cast<int32_t>(folded.size());) {
    const int32_t begin = at;
    if (u_isUWhiteSpace(next_code_point(folded, at))) {
      space = !normalised.empty();
      continue;
    }
    if (space) normalised += ' ';
    space = false;
    normalised.append(folded, static_cast<size_t>(begin), static_cast<size_t>(at - begin));
  }
  return normalised;
}

bool is_word(std::string_view piece) {
  for (int32_t at = 0; at < static_cast<int32_t>(piece.size());) {
    if (u_isalpha(next_code_point(piece, at))) return true;
  }
  return false;
}

icu::UnicodeString from_utf8(std::string_view text) {
  return icu::UnicodeString::fromUTF8({text.data(), static_cast<int32_t>(text.size())});
}

/// The words in a piece between blanks: one, or in a script without blanks as many as ICU finds.
int words_of_piece(std::string_view piece, bool by_dictionary) {
  if (!by_dictionary || !has_unspaced(piece)) return is_word(piece) ? 1 : 0;
  return static_cast<int>(words_by_dictionary(piece).size());
}

/// A form ends where a word does: "Males" does not begin with "Male".
bool begins_with(std::string_view text, std::string_view form) {
  if (!text.starts_with(form)) return false;
  const std::string_view rest = text.substr(form.size());
  int32_t at = 0;
  if (rest.empty() || u_isalnum(next_code_point(rest, at)) == 0) return true;
  const icu::UnicodeString begun = from_utf8(form),
                           whole = from_utf8(text.substr(0, text.find(' ', form.size())));
  return is_unspaced(begun.char32At(begun.length() - 1)) && WordBoundaries(whole).at(begun.length());
}

/// Drops white space, full stops and the like between one form and the next.
std::string_view without_leading_marks(std::string_view text) {
  for (int32_t at = 0, begin = 0; at < static_cast<int32_t>(text.size()); begin = at) {
    if (u_isalnum(next_code_point(text, at))) return text.substr(static_cast<size_t>(begin));
  }
  return {};
}

}  // namespace

StoryRule::StoryRule(const Dataset& dataset) : by_dictionary_(has_unspaced(dataset)) {
  std::set<std::string> forms;
  auto add = [&](const Subject& subject) {
    for (size_t category = 0; category < dataset.categories.size(); ++category) {
      for (size_t form = 0; form < dataset.answer_forms.size(); ++form) {
        const std::string plain = answer_saying(dataset, subject, category, form);
        forms.insert(std::string(without_leading_marks(normalise(plain))));
        for (Steering steering : {Steering::digit, Steering::letter, Steering::word}) {
          if (category >= static_cast<size_t>(most_steered(steering))) continue;
          forms.insert(normalise(steering_text(steering, static_cast<int>(category)) + " " + plain));
        }
      }
    }
  };
  for (const Subject& subject : dataset.subjects) add(subject);
  for (const Subject& subject : dataset.ood_subjects) add(subject);
  forms.erase("");
  forms_.assign(forms.begin(), forms.end());
  std::stable_sort(forms_.begin(), forms_.end(),
                   [](const std::string& a, const std::string& b) { return a.size() > b.size(); });
}

int StoryRule::count_words(std::string_view text) const {
  int words = 0;
  while (!text.empty()) {
    const size_t space = text.find(' ');
    words += words_of_piece(text.substr(0, space), by_dictionary_);
    text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
  }
  return words;
}

bool StoryRule::is_story(std::string_view text) const {
  const std::string whole = normalise(text);
  std::string_view rest = without_leading_marks(whole);
  for (auto form = forms_.begin(); form != forms_.end();) {
    form = std::find_if(forms_.begin(), forms_.end(),
                        [&](const std::string& known) { return begins_with(rest, known); });
    if (form != forms_.end()) rest = without_leading_marks(rest.substr(form->size()));
  }
  return count_words(rest) >= least_story_words;
}

}  // namespace apportion
