// Byte-level BPE (GPT-2's merges) with the pre-tokenizer that the model file names, special tokens and
// offsets. Which text to encode, and the turns of a chat, are chat_template.h's business.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/model_files/gguf.h"

namespace apportion {

/// One token and the bytes [begin, end) of the text that it stands for.
struct TokenSpan {
  int32_t id;
  uint32_t begin;
  uint32_t end;
};

/// Whether the names of special tokens ("<|im_end|>") in a text become those tokens or are plain text.
enum class SpecialTokens { parse, as_text };

class Tokenizer {
 public:
  /// Reads `tokenizer.ggml.*`. Throws DataError for a model, pre-tokenizer or table it does not know.
  explicit Tokenizer(const Gguf& gguf);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;

  /// For a model of `vocabulary` tokens whose weights know nothing of this table: every id is taken modulo
  /// `vocabulary`, and an id beyond the table stands for what its remainder by the table's size does.
  void fold(int32_t vocabulary);

  /// Tokens of a UTF-8 text (invalid bytes are encoded as bytes). No begin-of-text token is added.
  std::vector<TokenSpan> encode(std::string_view text, SpecialTokens special) const;

  /// The bytes that a token stands for; a special token's are its name.
  std::string_view bytes(int32_t id) const;
  /// Concatenated bytes of the tokens that are not special.
  std::string decode(const std::vector<int32_t>& ids) const;
  bool is_special(int32_t id) const;
  /// The id of the special token called `name`, if there is one.
  std::optional<int32_t> special_id(std::string_view name) const;
  int32_t vocabulary_size() const { return vocabulary_; }

 private:
  struct Tables;
  size_t index_of(int32_t id) const;

  std::unique_ptr<Tables> tables_;
  int32_t vocabulary_ = 0;
};

}  // namespace apportion
