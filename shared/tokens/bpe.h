// Byte-pair encoding (Sennrich et al., ACL 2016) of one word: byte-level as in GPT-2; over characters, with
// merges as Hugging Face writes SentencePiece's; and SentencePiece's own, by scores. pre_tokenizer.h makes
// the words; added_tokens.h has the tokens that are not pieces of words.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "shared/tokens/aligned_text.h"
#include "shared/tokens/token_table.h"
#include "shared/tokens/tokenizer_tables.h"

namespace apportion {

/// A token and the bytes of the normalized text that it stands for.
struct BpePiece {
  int32_t id;
  uint32_t begin;
  uint32_t end;
};

class Bpe {
 public:
  /// `table` must outlive this; nothing of `tables` is kept. Throws DataError for merges or scores that make
  /// no sense.
  Bpe(const TokenizerTables& tables, const TokenTable& table);
  ~Bpe();

  /// Appends the tokens of each word of `text`.
  void encode(std::string_view text, const std::vector<WordSpan>& words, std::vector<BpePiece>& out) const;

 private:
  struct Rules;
  std::unique_ptr<Rules> rules_;
};

}  // namespace apportion
