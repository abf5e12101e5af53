// The checked table of tokens: what each stands for, and which token a text is. bpe.h makes several tokens of
// a text.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "shared/tokens/tokenizer_tables.h"

namespace apportion {

class TokenTable {
 public:
  /// Only this and id_of_table_text() read `tables`. Throws DataError for a table that makes no sense.
  explicit TokenTable(const TokenizerTables& tables);

  size_t size() const { return meanings_.size(); }
  /// The bytes that a token stands for; for a special or unused token, its name.
  const std::string& meaning(int32_t id) const { return meanings_[static_cast<size_t>(id)]; }
  TokenKind kind(int32_t id) const { return kinds_[static_cast<size_t>(id)]; }
  bool is_special(int32_t id) const {
    return kind(id) == TokenKind::control || kind(id) == TokenKind::unknown;
  }

  /// The token that stands for one byte, alone or as the last resort; -1 when there is none.
  int32_t of_byte(uint8_t byte) const { return of_bytes_[byte]; }
  /// The token of a piece of normalized text, -1 when there is none. Never finds special tokens: a text must
  /// not make a mark.
  int32_t of_piece(std::string_view piece) const;

  /// The token that the table writes like this, of any kind; -1 when there is none, or after
  /// forget_table_texts().
  int32_t id_of_table_text(std::string_view text) const;
  /// Must be called before whatever filled in the tables goes.
  void forget_table_texts() { table_texts_ = {}; }

 private:
  void add(const TokenizerTables& tables, int32_t id, const std::string& text, int64_t type);
  void add_normal(const TokenizerTables& tables, int32_t id, const std::string& text);
  void add_byte(const TokenizerTables& tables, int32_t id, const std::string& text);

  std::vector<std::string> meanings_;
  std::vector<TokenKind> kinds_;
  std::array<int32_t, 256> of_bytes_{};
  std::vector<std::string> pieces_;  // by id, in the alphabet of characters: as written in normalized text
  std::unordered_map<std::string_view, int32_t> of_pieces_;    // keyed by pieces_ or meanings_
  std::unordered_map<std::string_view, int32_t> table_texts_;  // keyed by texts of TokenizerTables
};

}  // namespace apportion
