// Turns a vocabulary of characters with merges, as conversions of SentencePiece have it (Gemma 2, Llama 2,
// Mistral), into SentencePiece's own form in a GGUF file: the reverse of gguf_tokenizer.h.
#pragma once

#include <cstdint>
#include <vector>

#include "shared/tokens/tokenizer_tables.h"

namespace apportion {

struct SentencePieceKeys {
  bool blank_before;           // puts a blank before each text (add_space_prefix)
  int32_t unknown;             // -1: none
  std::vector<int64_t> kinds;  // by id
  std::vector<double> scores;  // by id; higher ones are merged first
};

/// Keys with which a reader of scores finds the tokens that merges make of any text. Throws DataError for
/// what these keys cannot say: any change of the text but blanks to U+2581, with or without one before it;
/// cutting it into words; characters that vanish; and what merge_order refuses.
SentencePieceKeys sentencepiece_keys(const TokenizerTables& tables);

}  // namespace apportion
