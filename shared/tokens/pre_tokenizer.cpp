#include "shared/tokens/pre_tokenizer.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <functional>

#include "shared/base/utf8.h"
#include "shared/tokens/smollm_words.h"

namespace apportion {
namespace {

/// Part of a word: a match, or what lies between two matches.
struct Part {
  WordSpan span;
  bool is_match;
};

/// Merges a match with the part before it, unless that is a match, too.
std::vector<WordSpan> merge_backwards(const std::vector<Part>& parts) {
  std::vector<WordSpan> words;
  bool after_match = false;
  for (const Part& part : parts) {
    if (part.is_match && !after_match && !words.empty()) {
      words.back().end = part.span.end;
    } else {
      words.push_back(part.span);
    }
    after_match = part.is_match;
  }
  return words;
}

std::vector<WordSpan> merge_forwards(const std::vector<Part>& parts) {
  std::vector<WordSpan> words;
  bool before_match = false;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (part->is_match && !before_match && !words.empty()) {
      words.back().begin = part->span.begin;
    } else {
      words.push_back(part->span);
    }
    before_match = part->is_match;
  }
  std::reverse(words.begin(), words.end());
  return words;
}

/// Arranges the parts of one word as the behaviour says.
std::vector<WordSpan> arrange(const std::vector<Part>& parts, SplitBehaviour behaviour) {
  std::vector<WordSpan> words;
  switch (behaviour) {
    case SplitBehaviour::merged_with_previous:
      return merge_backwards(parts);
    case SplitBehaviour::merged_with_next:
      return merge_forwards(parts);
    case SplitBehaviour::isolated:
      for (const Part& part : parts) words.push_back(part.span);
      break;
    case SplitBehaviour::removed:
      for (const Part& part : parts) {
        if (!part.is_match) words.push_back(part.span);
      }
      break;
    case SplitBehaviour::contiguous:
      for (size_t i = 0; i < parts.size(); ++i) {
        if (i > 0 && parts[i].is_match == parts[i - 1].is_match) {
          words.back().end = parts[i].span.end;
        } else {
          words.push_back(parts[i].span);
        }
      }
      break;
  }
  return words;
}

/// The parts of `word`: its matches and what lies between them.
std::vector<Part> parts_of(WordSpan word, const std::vector<WordSpan>& matches, bool invert) {
  std::vector<Part> parts;
  uint32_t begin = word.begin;
  for (const WordSpan& match : matches) {
    if (match.begin > begin) parts.push_back({{begin, match.begin}, invert});
    parts.push_back({match, !invert});
    begin = match.end;
  }
  if (begin < word.end) parts.push_back({{begin, word.end}, invert});
  return parts;
}

using Matches = std::vector<std::vector<WordSpan>>;

std::vector<WordSpan> split(const std::vector<WordSpan>& words, const Matches& matches,
                            const PreTokenizerStep& rule) {
  std::vector<WordSpan> result;
  result.reserve(words.size());
  for (size_t i = 0; i < words.size(); ++i) {
    for (const WordSpan& word : arrange(parts_of(words[i], matches[i], rule.invert), rule.behaviour)) {
      if (word.begin < word.end) result.push_back(word);
    }
  }
  return result;
}

/// The places of `pattern` in each word.
Matches find_text(std::string_view text, const std::vector<WordSpan>& words, const std::string& pattern) {
  Matches found(words.size());
  const auto length = static_cast<uint32_t>(pattern.size());
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = text.substr(0, words[i].end);
    for (size_t at = word.find(pattern, words[i].begin); at != std::string_view::npos;
         at = word.find(pattern, at + length)) {
      found[i].push_back({static_cast<uint32_t>(at), static_cast<uint32_t>(at) + length});
    }
  }
  return found;
}

/// The places of characters of Unicode's categories N* in each word.
Matches find_digits(std::string_view text, const std::vector<WordSpan>& words) {
  Matches found(words.size());
  const char* data = text.data();
  for (size_t i = 0; i < words.size(); ++i) {
    const auto end = static_cast<int32_t>(words[i].end);
    for (auto at = static_cast<int32_t>(words[i].begin); at < end;) {
      const auto begin = static_cast<uint32_t>(at);
      UChar32 character = 0;
      U8_NEXT(data, at, end, character);
      if (character >= 0 && (U_MASK(u_charType(character)) & U_GC_N_MASK) != 0)
        found[i].push_back({begin, static_cast<uint32_t>(at)});
    }
  }
  return found;
}

/// Puts `sign` before each word for which `wanted` says so.
void put_before_words(AlignedText& text, std::vector<WordSpan>& words, std::string_view sign,
                      const std::function<bool(const WordSpan&)>& wanted) {
  if (std::none_of(words.begin(), words.end(), wanted)) return;
  TextEdit edit(text);
  for (WordSpan& word : words) {
    const WordSpan old = word;
    word.begin = edit.size();
    if (wanted(old)) edit.put(sign, old.begin, old.begin + character_size(text.text(), old.begin));
    edit.keep(old.begin, old.end);
    word.end = edit.size();
  }
  text = edit.finish();
}

/// Replaces each blank in the words by the sign.
void sign_blanks(AlignedText& text, std::vector<WordSpan>& words, const std::string& sign) {
  if (text.text().find(' ') == std::string_view::npos) return;
  TextEdit edit(text);
  for (WordSpan& word : words) {
    const uint32_t begin = edit.size();
    for (uint32_t i = word.begin; i < word.end; ++i) {
      if (text.text()[i] == ' ') {
        edit.put(sign, i, i + 1);
      } else {
        edit.keep(i, i + 1);
      }
    }
    word = {begin, edit.size()};
  }
  text = edit.finish();
}

void metaspace(AlignedText& text, std::vector<WordSpan>& words, const PreTokenizerStep& rule) {
  sign_blanks(text, words, rule.pattern);
  if (rule.blank != BlankBefore::never) {
    put_before_words(text, words, rule.pattern, [&](const WordSpan& word) {
      if (text.text().substr(word.begin, rule.pattern.size()) == rule.pattern) return false;
      return rule.blank == BlankBefore::always || text.origin(word.begin, word.end).begin == 0;
    });
  }
  if (!rule.split) return;
  PreTokenizerStep behind = rule;
  behind.behaviour = SplitBehaviour::merged_with_next;
  behind.invert = false;
  words = split(words, find_text(text.text(), words, rule.pattern), behind);
}

/// SmolLM's two steps: digits one by one, then GPT-2's pattern.
bool is_smollm(const PreTokenizerStep& first, const PreTokenizerStep& second) {
  return first.kind == PreTokenizerStep::Kind::digits && first.behaviour == SplitBehaviour::isolated &&
         second.kind == PreTokenizerStep::Kind::regex && second.pattern == gpt2_pattern &&
         second.behaviour == SplitBehaviour::isolated && !second.invert;
}

std::vector<WordSpan> smollm(std::string_view text, const std::vector<WordSpan>& words) {
  std::vector<WordSpan> result;
  for (const WordSpan& word : words) {
    for (WordSpan part : split_smollm(text.substr(word.begin, word.end - word.begin)))
      result.push_back({word.begin + part.begin, word.begin + part.end});
  }
  return result;
}

}  // namespace

PreTokenizer::PreTokenizer(const TokenizerTables& tables) {
  const std::vector<PreTokenizerStep>& rules = tables.pre_tokenizer.value;
  for (size_t i = 0; i < rules.size(); ++i) {
    Step step{rules[i], {}, i + 1 < rules.size() && is_smollm(rules[i], rules[i + 1])};
    if (step.smollm) ++i;
    if (!step.smollm && step.rule.kind == PreTokenizerStep::Kind::regex) {
      try {
        step.pattern.emplace(step.rule.pattern);
      } catch (const UserError& error) {
        tables.fail(tables.pre_tokenizer,
                    text_in_message("pre_tokenizer " + step.rule.pattern + ": " + error.what()));
      }
    }
    steps_.push_back(std::move(step));
  }
}

std::vector<WordSpan> PreTokenizer::words(AlignedText& text) const {
  std::vector<WordSpan> words;
  if (text.size() > 0) words.push_back({0, text.size()});
  for (const Step& step : steps_) {
    const PreTokenizerStep& rule = step.rule;
    if (step.smollm) {
      words = smollm(text.text(), words);
      continue;
    }
    switch (rule.kind) {
      case PreTokenizerStep::Kind::regex:
        words = split(words, step.pattern->matches(text.text(), words), rule);
        break;
      case PreTokenizerStep::Kind::text:
        words = split(words, find_text(text.text(), words, rule.pattern), rule);
        break;
      case PreTokenizerStep::Kind::digits:
        words = split(words, find_digits(text.text(), words), rule);
        break;
      case PreTokenizerStep::Kind::metaspace:
        metaspace(text, words, rule);
        break;
      case PreTokenizerStep::Kind::blank_before:
        put_before_words(text, words, " ",
                         [&](const WordSpan& word) { return text.text()[word.begin] != ' '; });
        break;
    }
  }
  return words;
}

}  // namespace apportion
