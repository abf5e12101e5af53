// Cuts a text into the words within which byte-pair merges happen, step by step as `tokenizers` does. bpe.h
// merges; normalizer.h changes the text beforehand.
#pragma once

#include <optional>
#include <vector>

#include "shared/tokens/aligned_text.h"
#include "shared/tokens/split_pattern.h"
#include "shared/tokens/tokenizer_tables.h"

namespace apportion {

/// Patterns as their authors published them: github.com/openai/gpt-2 (src/encoder.py), and the tokenizer.json
/// of Llama 3 and of Qwen2, which differ in how many digits a word may have.
inline constexpr std::string_view gpt2_pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view llama3_pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view qwen2_pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

class PreTokenizer {
 public:
  /// Compiles the patterns of `tables`. Throws DataError for one that is not known to mean the same here.
  explicit PreTokenizer(const TokenizerTables& tables);

  /// The words of `text`, in order, none of them empty; a step may change the text. Bytes that are in no word
  /// are dropped.
  std::vector<WordSpan> words(AlignedText& text) const;

 private:
  struct Step {
    PreTokenizerStep rule;
    std::optional<SplitPattern> pattern;  // for a regular expression that smollm_words.h does not replace
    bool smollm = false;                  // this step and the one before it are SmolLM's
  };

  std::vector<Step> steps_;
};

}  // namespace apportion
