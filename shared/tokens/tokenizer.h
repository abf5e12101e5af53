// From texts to tokens with their places and back, as a model's files say: added tokens are found first
// (added_tokens.h); what lies between them is normalized (normalizer.h), cut into words (pre_tokenizer.h) and
// merged (bpe.h). chat_template.h decides which text to encode, and the turns of a chat.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/tokens/tokenizer_tables.h"

namespace apportion {

/// One token and the bytes [begin, end) of the text that it stands for. Where a normalizer changed the text,
/// these are the bytes that its characters come from, so neighbours may share some; a blank that was put
/// before a text has the place of the text's first character.
struct TokenSpan {
  int32_t id;
  uint32_t begin;
  uint32_t end;
};

/// Whether the names of special tokens ("<|im_end|>") in a text become those tokens or are plain text.
enum class SpecialTokens { parse, as_text };

/// A part of a text, and whether names of special tokens mean those tokens in it.
struct TextPart {
  std::string text;
  SpecialTokens special;
};

class Tokenizer {
 public:
  /// If tables.folded_to gives another vocabulary, every id is taken modulo that, and an id beyond the table
  /// means the same as its remainder by the table's size. If tables.vocabulary says that the model has more
  /// rows than there are tokens, ids beyond those stand for nothing. Throws DataError for a table that makes
  /// no sense. Needs nothing of `tables` afterwards.
  explicit Tokenizer(const TokenizerTables& tables);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;

  /// Tokens of a UTF-8 text (invalid bytes are encoded as bytes). No begin-of-text token is added.
  std::vector<TokenSpan> encode(std::string_view text, SpecialTokens special) const;

  /// The same for the text that the parts make together: a special token's name has to lie within one part,
  /// and text between special tokens is cut into words regardless of where parts meet. Offsets refer to the
  /// whole text.
  std::vector<TokenSpan> encode(const std::vector<TextPart>& parts) const;

  /// The bytes that a token stands for, wherever it is: a blank for SentencePiece's blank sign, the one byte
  /// of <0x00> to <0xFF>, its name for a special token.
  std::string_view bytes(int32_t id) const;
  /// The bytes of all tokens that are not special, joined: the text, if `ids` are all of its tokens and its
  /// normalizer changes nothing but blanks. Where encode() puts a blank before every text, one blank at the
  /// beginning is not the text's and is left out, so the tokens of a text's later part lose theirs.
  std::string decode(const std::vector<int32_t>& ids) const;
  bool is_special(int32_t id) const;
  /// The id of the special token called `name`, if there is one.
  std::optional<int32_t> special_id(std::string_view name) const;
  int32_t vocabulary_size() const { return vocabulary_; }

 private:
  struct Parts;
  /// The table's token that `id` stands for, -1 for a row of the model that has none.
  int32_t index_of(int32_t id) const;
  /// Appends the tokens of the bytes [begin, end) of `text`; does not look for added tokens again, except
  /// those found in normalized text. `parts` make up `text`.
  void encode_run(std::string_view text, uint32_t begin, uint32_t end, const std::vector<TextPart>& parts,
                  std::vector<TokenSpan>& out) const;

  std::unique_ptr<Parts> parts_;
  int32_t vocabulary_ = 0;
};

}  // namespace apportion
