#include "shared/data/key_words.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "shared/config/option.h"
#include "shared/data/text_file.h"

namespace apportion {
namespace {

const std::set<std::string_view>& function_words() {
  static const std::set<std::string_view> words = {
      "a",    "about",  "am",     "an",    "and",    "any",   "are",   "as",       "at",      "be",
      "been", "being",  "but",    "by",    "can",    "could", "did",   "do",       "does",    "for",
      "from", "get",    "gets",   "goes",  "had",    "has",   "have",  "he",       "her",     "him",
      "his",  "how",    "i",      "if",    "in",     "into",  "is",    "it",       "its",     "just",
      "may",  "me",     "might",  "must",  "my",     "name",  "of",    "on",       "one",     "or",
      "our",  "people", "person", "she",   "should", "so",    "some",  "somebody", "someone", "tell",
      "than", "that",   "the",    "their", "them",   "then",  "there", "these",    "they",    "think",
      "this", "those",  "to",     "was",   "we",     "were",  "what",  "when",     "where",   "which",
      "who",  "whose",  "why",    "will",  "with",   "would", "you",   "your"};
  return words;
}

bool is_placeholder(const std::string& word) { return word.front() == '{'; }

/// "IT" and "UK" are names, whatever they are in lower case.
bool is_in_capitals(const std::string& word) {
  return word.size() > 1 && word != lower_case(word) &&
         std::none_of(word.begin(), word.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

/// A word without apostrophes and hyphens at its ends, nor the 's of another word.
std::string bare(const std::string& word) {
  const size_t first = word.find_first_not_of("'-"), last = word.find_last_not_of("'-");
  if (first == std::string::npos) return "";
  std::string text = word.substr(first, last + 1 - first);
  if (text.size() > 2 && text.ends_with("'s")) text.resize(text.size() - 2);
  return first > 0 && text == "s" ? "" : text;
}

/// Placeholders, and runs of letters, digits, apostrophes and hyphens; the rest separates them.
std::vector<std::string> words_of(const std::string& wording) {
  std::vector<std::string> words;
  std::string word;
  const auto end_word = [&] {
    if (std::string text = bare(std::exchange(word, "")); !text.empty()) words.push_back(std::move(text));
  };
  const char* const text = wording.data();
  const auto size = static_cast<int32_t>(wording.size());
  for (int32_t at = 0; at < size;) {
    const int32_t begin = at;
    UChar32 code = 0;
    U8_NEXT(text, at, size, code);
    if (code == '{') {
      end_word();
      at = static_cast<int32_t>(std::min(wording.find('}', static_cast<size_t>(begin)), wording.size() - 1)) +
           1;
      words.push_back(wording.substr(static_cast<size_t>(begin), static_cast<size_t>(at - begin)));
    } else if (code == '\'' || code == 0x2019) {
      word += '\'';
    } else if (code == '-' ||
               (code >= 0 && (u_isalnum(code) != 0 || u_charType(code) == U_NON_SPACING_MARK))) {
      word.append(wording, static_cast<size_t>(begin), static_cast<size_t>(at - begin));
    } else {
      end_word();
    }
  }
  end_word();
  return words;
}

/// Placeholders, and all other words, each joined with blanks.
std::pair<std::string, std::string> parted(const std::string& wording) {
  std::vector<std::string> words = words_of(wording);
  const auto others = std::stable_partition(words.begin(), words.end(), is_placeholder);
  return {join({words.begin(), others}, " "), join({others, words.end()}, " ")};
}

}  // namespace

std::string key_words_of(const std::string& wording) {
  std::vector<std::string> kept;
  size_t placeholders = 0, dropped = 0;
  for (const std::string& word : words_of(wording)) {
    const bool is_name = is_placeholder(word) || is_in_capitals(word);
    const std::string small = is_name ? word : lower_case(word);
    placeholders += is_placeholder(word);
    if (!is_name && function_words().contains(small)) {
      ++dropped;
    } else {
      kept.push_back(small);
    }
  }
  const size_t words = kept.size() + dropped - placeholders;
  // A few words of other languages look like English function words ("in", "was", "an").
  const bool is_english = dropped >= 2 && 5 * dropped >= 2 * words;
  return is_english && kept.size() > placeholders ? join(kept, " ") : "";
}

std::string with_placeholders_first(const std::string& wording) {
  const auto [placeholders, others] = parted(wording);
  return placeholders.empty() || others.empty() ? "" : placeholders + ": " + others;
}

std::string with_placeholders_last(const std::string& wording) {
  const auto [placeholders, others] = parted(wording);
  return placeholders.empty() || others.empty() ? "" : others + " " + placeholders;
}

}  // namespace apportion
