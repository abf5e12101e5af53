// The words of SmolLM and SmolLM2 without a regular expression. pre_tokenizer.h cuts text in all other ways.
#pragma once

#include <string_view>
#include <vector>

#include "shared/tokens/aligned_text.h"

namespace apportion {

/// The pre-tokenizer `smollm`: each character of the Unicode categories N* stands alone, and GPT-2's pattern
/// (github.com/openai/gpt-2, src/encoder.py) cuts what lies between:
///   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
/// The words cover the text without gaps. A byte that is not valid UTF-8 counts as a symbol. Text below 2
/// GiB.
std::vector<WordSpan> split_smollm(std::string_view text);

}  // namespace apportion
