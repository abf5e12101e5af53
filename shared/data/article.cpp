#include "shared/data/article.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <string_view>

namespace apportion {
namespace {

bool is_letter(char character) { return std::isalpha(static_cast<unsigned char>(character)) != 0; }
bool is_upper(char character) { return std::isupper(static_cast<unsigned char>(character)) != 0; }

bool contains(std::string_view characters, char character) {
  return characters.find(character) != std::string_view::npos;
}

/// Whether it is read letter by letter: all capitals, and either short (IT, HGV) or without a vowel.
bool is_spelt_out(std::string_view word) {
  if (!std::all_of(word.begin(), word.end(), is_upper)) return false;
  return word.size() <= 3 ||
         std::none_of(word.begin(), word.end(), [](char c) { return contains("AEIOUY", c); });
}

bool begins_with_any(std::string_view word, const auto& beginnings) {
  return std::any_of(beginnings.begin(), beginnings.end(),
                     [&](std::string_view b) { return word.starts_with(b); });
}

bool begins_with_vowel_sound(std::string_view word) {
  // Silent h; and vowel letters that are read "you" or "w".
  static constexpr std::array<std::string_view, 4> silent_h = {"hour", "heir", "honest", "hono"};
  static constexpr std::array<std::string_view, 24> consonant_sound = {
      "eu",   "ew",   "ubiq", "uku", "unic", "unif", "unil", "unio", "uniq", "unis", "unit", "univ",
      "uran", "uret", "uro",  "usa", "use",  "usu",  "uten", "uter", "util", "utop", "once", "one-"};
  if (word == "one") return false;
  if (begins_with_any(word, silent_h)) return true;
  return contains("aeiou", word.front()) && !begins_with_any(word, consonant_sound);
}

}  // namespace

std::string with_article(const std::string& noun) {
  const auto letters_end =
      std::find_if_not(noun.begin(), noun.end(), [](char c) { return is_letter(c) || c == '-'; });
  std::string word(noun.begin(), letters_end);
  if (word.size() > 1 && word[1] == '-') word.resize(1);  // X-ray, U-boat: the letter's own name
  if (word.empty()) {
    // Numbers: an 8-hour shift, an 11th, an 18-year-old; the rest begin with a consonant.
    const bool vowel = noun.starts_with('8') || noun.starts_with("11") || noun.starts_with("18");
    return (vowel ? "an " : "a ") + noun;
  }
  if (is_spelt_out(word)) return (contains("AEFHILMNORSX", word.front()) ? "an " : "a ") + noun;
  std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return std::tolower(c); });
  return (begins_with_vowel_sound(word) ? "an " : "a ") + noun;
}

}  // namespace apportion
