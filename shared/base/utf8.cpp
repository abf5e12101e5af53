#include "shared/base/utf8.h"

#include <cstdint>

#include "shared/base/error.h"

namespace apportion {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

uint8_t byte_at(std::string_view text, size_t index) { return static_cast<uint8_t>(text[index]); }

bool is_continuation(std::string_view text, size_t index, uint8_t low = 0x80, uint8_t high = 0xBF) {
  return index < text.size() && byte_at(text, index) >= low && byte_at(text, index) <= high;
}

// Length of the valid sequence at `i` (table 3-7 of the Unicode standard), 0 when it is not valid.
size_t sequence_length(std::string_view text, size_t i) {
  uint8_t lead = byte_at(text, i);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return is_continuation(text, i + 1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    uint8_t low = lead == 0xE0 ? 0xA0 : 0x80;
    uint8_t high = lead == 0xED ? 0x9F : 0xBF;
    return is_continuation(text, i + 1, low, high) && is_continuation(text, i + 2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    uint8_t low = lead == 0xF0 ? 0x90 : 0x80;
    uint8_t high = lead == 0xF4 ? 0x8F : 0xBF;
    bool whole = is_continuation(text, i + 1, low, high) && is_continuation(text, i + 2) &&
                 is_continuation(text, i + 3);
    return whole ? 4 : 0;
  }
  return 0;
}

}  // namespace

size_t first_invalid_byte(std::string_view text) {
  size_t offset = 0;
  while (offset < text.size()) {
    const size_t length = sequence_length(text, offset);
    if (length == 0) break;
    offset += length;
  }
  return offset;
}

std::string storable_text(std::string_view text) {
  std::string stored;
  stored.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    size_t length = text[i] == '\0' ? 0 : sequence_length(text, i);
    stored += length > 0 ? text.substr(i, length) : replacement;
    i += length > 0 ? length : 1;
  }
  return stored;
}

std::string text_in_message(std::string_view text, size_t most) {
  constexpr const char* digits = "0123456789ABCDEF";
  std::string line;
  for (size_t i = 0; i < text.size() && line.size() < most;) {
    const size_t control = control_length(text, i), length = sequence_length(text, i);
    if (text[i] == '\n') {
      line += "\\n";
    } else if (control > 0) {
      const uint8_t sign = byte_at(text, i + control - 1);
      (line += "\\x") += {digits[sign >> 4], digits[sign & 15]};
    } else {
      line += length > 0 ? text.substr(i, length) : replacement;
    }
    i += length > 0 ? length : 1;
    if (line.size() >= most && i < text.size()) line += "..";
  }
  return line;
}

size_t first_too_deep(std::string_view json) {
  size_t depth = 0;
  bool in_text = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char sign = json[i];
    if (in_text) {
      if (sign == '\\') ++i;
      in_text = sign != '"';
    } else if (sign == '"') {
      in_text = true;
    } else if (sign == '[' || sign == '{') {
      if (depth++ == 100) return i;
    } else if ((sign == ']' || sign == '}') && depth > 0) {
      --depth;
    }
  }
  return json.size();
}

}  // namespace apportion
