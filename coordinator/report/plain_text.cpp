#include "coordinator/report/plain_text.h"

#include <fmt/format.h>

#include "shared/base/utf8.h"

namespace apportion {
namespace {

constexpr const char* replacement = "\uFFFD";

/// The number of bytes of a letter that begins with this byte.
size_t length_of(unsigned char first) { return first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4; }

bool is_break(char32_t code) { return code == '\n' || code == '\r' || code == '\t'; }

}  // namespace

std::vector<Letter> letters_of(std::string_view text) {
  constexpr unsigned first_bits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
  std::vector<Letter> letters;
  for (size_t at = 0; at < text.size();) {
    const size_t length = length_of(static_cast<unsigned char>(text[at]));
    char32_t code = static_cast<unsigned char>(text[at]) & first_bits[length];
    for (size_t i = 1; i < length; ++i) code = code << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3F);
    letters.push_back({code, text.substr(at, length)});
    at += length;
  }
  return letters;
}

size_t direction_mark(std::string_view text) {
  constexpr std::string_view marks[] = {"\u061C", "\u200E", "\u200F", "\u202A", "\u202B", "\u202C",
                                        "\u202D", "\u202E", "\u2066", "\u2067", "\u2068", "\u2069"};
  for (const std::string_view mark : marks) {
    if (text.starts_with(mark)) return mark.size();
  }
  return 0;
}

bool is_unseen(const Letter& letter) {
  const char32_t code = letter.code;
  const bool control = code < 0x20 || (code >= 0x7F && code < 0xA0);
  const bool separator = code == 0x2028 || code == 0x2029;
  const bool none =
      code == 0xFEFF || (code & 0xFFFE) == 0xFFFE;  // a byte order mark, and code points that are not letters
  return control || separator || none || direction_mark(letter.bytes) > 0;
}

std::string plain_line(std::string_view text) {
  std::string line;
  const std::string valid = storable_text(text);
  for (const Letter& letter : letters_of(valid))
    line += is_break(letter.code) ? " " : is_unseen(letter) ? replacement : letter.bytes;
  return line;
}

std::string quoted_line(std::string_view text) {
  std::string quoted = "\"";
  const std::string valid = storable_text(text);
  for (const Letter& letter : letters_of(valid)) {
    if (letter.code == '"' || letter.code == '\\') {
      quoted.append("\\").append(letter.bytes);
    } else if (letter.code == '\n') {
      quoted += "\\n";
    } else if (is_unseen(letter)) {
      quoted += letter.code > 0xFFFF ? std::string(replacement)
                                     : fmt::format("\\u{:04X}", static_cast<unsigned>(letter.code));
    } else {
      quoted += letter.bytes;
    }
  }
  return quoted + "\"";
}

}  // namespace apportion
