// A vocabulary of characters with merges, as conversions of SentencePiece's have it (Gemma 2, Llama 2,
// Mistral), as a GGUF file has SentencePiece's own: what gguf_tokenizer.h reads, the other way round.
#pragma once

#include <cstdint>
#include <vector>

#include "shared/tokens/tokenizer_tables.h"

namespace apportion {

struct SentencePieceKeys {
  bool blank_before;           // a blank is put before each text (add_space_prefix)
  int32_t unknown;             // -1: there is none
  std::vector<int64_t> kinds;  // by id
  std::vector<double> scores;  // by id; the higher one is merged first
};

/// What makes a reader of scores find the tokens that merges make of any text. Throws DataError for what
/// these keys cannot say: another change of the text than blanks to U+2581, with one before it or none, words
/// that it is cut into, characters that vanish, and as merge_order.
SentencePieceKeys sentencepiece_keys(const TokenizerTables& tables);

}  // namespace apportion
