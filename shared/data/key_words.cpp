#include "shared/data/key_words.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

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

/// Placeholders, and runs of letters, digits, apostrophes and hyphens; the rest separates them.
std::vector<std::string> words_of(const std::string& wording) {
  std::vector<std::string> words;
  std::string word;
  const auto end_word = [&] {
    if (!word.empty()) words.push_back(std::exchange(word, ""));
  };
  for (size_t i = 0; i < wording.size(); ++i) {
    const unsigned char character = static_cast<unsigned char>(wording[i]);
    if (character == '{') {
      end_word();
      const size_t close = std::min(wording.find('}', i), wording.size() - 1);
      words.push_back(wording.substr(i, close + 1 - i));
      i = close;
    } else if (std::isalnum(character) != 0 || character >= 0x80 || character == '\'' || character == '-') {
      word += wording[i];
    } else {
      end_word();
    }
  }
  end_word();
  return words;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

/// Placeholders, and all other words, each joined with blanks.
std::pair<std::string, std::string> parted(const std::string& wording) {
  std::vector<std::string> words = words_of(wording);
  const auto others = std::stable_partition(words.begin(), words.end(), is_placeholder);
  return {joined({words.begin(), others}), joined({others, words.end()})};
}

}  // namespace

std::string key_words_of(const std::string& wording) {
  const std::vector<std::string> words = words_of(wording);
  std::vector<std::string> kept;
  bool has_word = false;
  for (const std::string& word : words) {
    const std::string small = is_placeholder(word) ? word : lower_case(word);
    if (function_words().contains(small)) continue;
    has_word = has_word || !is_placeholder(word);
    kept.push_back(small);
  }
  return has_word && kept.size() < words.size() ? joined(kept) : "";
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
