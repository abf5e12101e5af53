#include "shared/tokens/token_table.h"

#include <iterator>
#include <limits>
#include <optional>

#include "shared/base/utf8.h"

namespace apportion {
namespace {

/// For each character, the byte that GPT-2 writes with it: printable Latin-1 stands for itself, the other 68
/// bytes are U+0100 and on, in order. -1 for a character that stands for no byte.
std::array<int, 324> byte_of_character() {
  std::array<int, 324> bytes{};
  bytes.fill(-1);
  size_t next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    bytes[printable ? static_cast<size_t>(byte) : next++] = byte;
  }
  return bytes;
}

/// The bytes that a table's text stands for, or nothing when it is not written in GPT-2's characters.
std::optional<std::string> bytes_of_text(std::string_view text) {
  static const std::array<int, 324> table = byte_of_character();
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    auto lead = static_cast<uint8_t>(text[i]);
    size_t character = lead;
    if (lead >= 0x80) {
      // All of GPT-2's characters lie below U+0800: two bytes in UTF-8.
      if ((lead & 0xE0) != 0xC0 || ++i == text.size() || (static_cast<uint8_t>(text[i]) & 0xC0) != 0x80)
        return {};
      character = ((lead & 0x1FU) << 6) | (static_cast<uint8_t>(text[i]) & 0x3FU);
      if (character < 0x80) return {};
    }
    if (character >= table.size() || table[character] < 0) return {};
    bytes += static_cast<char>(table[character]);
  }
  return bytes;
}

/// The byte of <0x00> to <0xFF>, -1 for any other text.
int byte_of_name(std::string_view name) {
  if (name.size() != 6 || name.substr(0, 3) != "<0x" || name[5] != '>') return -1;
  int byte = 0;
  for (char digit : name.substr(3, 2)) {
    const size_t value = std::string_view("0123456789ABCDEF").find(digit);
    if (value == std::string_view::npos) return -1;
    byte = byte * 16 + static_cast<int>(value);
  }
  return byte;
}

std::string replace_all(std::string text, const std::string& sign, std::string_view by) {
  if (sign.empty()) return text;
  for (size_t at = text.find(sign); at != std::string::npos; at = text.find(sign, at + by.size()))
    text.replace(at, sign.size(), by);
  return text;
}

/// ggml's name for a kind of token.
std::string name_of_kind(int64_t type) {
  static constexpr const char* names[] = {"undefined",    "normal", "unknown", "control",
                                          "user-defined", "unused", "byte"};
  return type >= 0 && type < static_cast<int64_t>(std::size(names)) ? names[type] : "without a name";
}

[[noreturn]] void fail(const TokenizerTables& tables, int32_t id, const std::string& reason) {
  tables.fail(tables.tokens, "token " + std::to_string(id) + " " + reason);
}

}  // namespace

void TokenTable::add_normal(const TokenizerTables& tables, int32_t id, const std::string& text) {
  const auto index = static_cast<size_t>(id);
  if (tables.alphabet == TokenAlphabet::characters) {
    meanings_[index] = replace_all(text, tables.blank_sign, " ");
    pieces_[index] = text;
    of_pieces_.emplace(pieces_[index], id);
    return;
  }
  std::optional<std::string> meaning = bytes_of_text(text);
  if (!meaning) fail(tables, id, "is not written in GPT-2's characters for bytes");
  if (meaning->size() == 1) of_bytes_[static_cast<uint8_t>((*meaning)[0])] = id;
  meanings_[index] = std::move(*meaning);
  if (tables.ignore_merges) of_pieces_.emplace(meanings_[index], id);
}

void TokenTable::add_byte(const TokenizerTables& tables, int32_t id, const std::string& text) {
  const int byte = byte_of_name(text);
  if (byte < 0)
    fail(tables, id, "is a byte's and called " + text_in_message(text) + "; <0x00> to <0xFF> is expected");
  of_bytes_[static_cast<size_t>(byte)] = id;
  meanings_[static_cast<size_t>(id)] = std::string(1, static_cast<char>(byte));
}

void TokenTable::add(const TokenizerTables& tables, int32_t id, const std::string& text, int64_t type) {
  const auto index = static_cast<size_t>(id);
  const auto kind = static_cast<TokenKind>(type);
  kinds_[index] = kind;
  if (text.empty() && kind == TokenKind::unused) return;
  if (text.empty()) fail(tables, id, "has no text");
  if (!table_texts_.emplace(text, id).second) fail(tables, id, "has the same text as another token");
  switch (kind) {
    case TokenKind::control:
    case TokenKind::unknown:
    case TokenKind::unused:
      meanings_[index] = text;
      return;
    case TokenKind::user_defined:
      if (tables.alphabet == TokenAlphabet::characters) {  // merges may make it, too
        add_normal(tables, id, text);
      } else {
        meanings_[index] = text;
      }
      return;
    case TokenKind::normal:
      add_normal(tables, id, text);
      return;
    case TokenKind::byte:
      if (tables.alphabet == TokenAlphabet::characters) {
        add_byte(tables, id, text);
        return;
      }
  }
  fail(tables, id,
       "has type " + std::to_string(type) + " (" + name_of_kind(type) +
           "); 1 to 5 and, in a vocabulary of characters, 6 are supported");
}

TokenTable::TokenTable(const TokenizerTables& tables) {
  const std::span<const std::string> texts = tables.tokens.value;
  const std::span<const int64_t> types = tables.kinds.value;
  if (texts.empty() || texts.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    tables.fail(tables.tokens,
                "there are " + std::to_string(texts.size()) + " tokens; 1 to 2^31 - 1 is expected");
  }
  if (types.size() != texts.size()) {
    tables.fail(tables.kinds, "there are " + std::to_string(types.size()) + " token types for " +
                                  std::to_string(texts.size()) + " tokens");
  }
  meanings_.resize(texts.size());
  kinds_.resize(texts.size());
  if (tables.alphabet == TokenAlphabet::characters) pieces_.resize(texts.size());
  of_bytes_.fill(-1);
  table_texts_.reserve(texts.size());
  for (size_t id = 0; id < texts.size(); ++id) add(tables, static_cast<int32_t>(id), texts[id], types[id]);
}

int32_t TokenTable::of_piece(std::string_view piece) const {
  auto found = of_pieces_.find(piece);
  return found == of_pieces_.end() ? -1 : found->second;
}

int32_t TokenTable::id_of_table_text(std::string_view text) const {
  auto found = table_texts_.find(text);
  return found == table_texts_.end() ? -1 : found->second;
}

}  // namespace apportion
