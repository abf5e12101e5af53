#include "shared/jinja/text.h"

#include <algorithm>
#include <cstdint>

namespace apportion::jinja {
namespace {

/// Bytes of the character at `at`; 1 for a byte that begins none. Only as strict as cutting needs.
size_t character_size(std::string_view text, size_t at) {
  const auto lead = static_cast<uint8_t>(text[at]);
  const size_t size = lead < 0xC2 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 1;
  if (size > text.size() - at) return 1;
  for (size_t i = 1; i < size; ++i) {
    if ((static_cast<uint8_t>(text[at + i]) & 0xC0) != 0x80) return 1;
  }
  return size;
}

/// The white space of Python's str.isspace: categories Zs and the bidirectional types WS, B and S.
bool is_space(std::string_view character) {
  static constexpr std::string_view wide[] = {"\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\x80",
                                              "\xE2\x80\x81", "\xE2\x80\x82", "\xE2\x80\x83", "\xE2\x80\x84",
                                              "\xE2\x80\x85", "\xE2\x80\x86", "\xE2\x80\x87", "\xE2\x80\x88",
                                              "\xE2\x80\x89", "\xE2\x80\x8A", "\xE2\x80\xA8", "\xE2\x80\xA9",
                                              "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80"};
  if (character.size() > 1) return std::find(std::begin(wide), std::end(wide), character) != std::end(wide);
  const auto byte = static_cast<uint8_t>(character[0]);
  return (byte >= 0x09 && byte <= 0x0D) || (byte >= 0x1C && byte <= 0x20);
}

}  // namespace

void MarkedText::append(std::string_view text, Origin origin) {
  if (text.empty()) return;
  if (pieces_.empty() || pieces_.back().origin != origin) {
    pieces_.push_back({std::string(text), origin});
  } else {
    pieces_.back().text += text;
  }
  size_ += text.size();
}

void MarkedText::append(const MarkedText& other) {
  for (const TextPiece& piece : other.pieces_) append(piece.text, piece.origin);
}

std::string MarkedText::str() const {
  std::string text;
  text.reserve(size_);
  for (const TextPiece& piece : pieces_) text += piece.text;
  return text;
}

Origin MarkedText::origin() const {
  for (const TextPiece& piece : pieces_) {
    if (piece.origin == Origin::input) return Origin::input;
  }
  return Origin::template_text;
}

MarkedText MarkedText::slice(size_t begin, size_t end) const {
  MarkedText part;
  size_t start = 0;
  for (const TextPiece& piece : pieces_) {
    const size_t from = std::max(begin, start), to = std::min(end, start + piece.text.size());
    if (from < to) part.append(std::string_view(piece.text).substr(from - start, to - from), piece.origin);
    start += piece.text.size();
  }
  return part;
}

std::vector<size_t> character_starts(std::string_view text) {
  std::vector<size_t> starts;
  for (size_t at = 0; at < text.size(); at += character_size(text, at)) starts.push_back(at);
  starts.push_back(text.size());
  return starts;
}

size_t leading_space(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const size_t size = character_size(text, at);
    if (!is_space(text.substr(at, size))) break;
    at += size;
  }
  return at;
}

size_t trailing_space(std::string_view text) {
  size_t end = text.size();
  while (end > 0) {
    size_t begin = end - 1;
    // The last character begins at most three bytes before its last one, and has to reach exactly to the end.
    for (size_t back = 1; back <= 3 && back < end; ++back) {
      if (character_size(text.substr(0, end), end - 1 - back) == back + 1) begin = end - 1 - back;
    }
    if (!is_space(text.substr(begin, end - begin))) break;
    end = begin;
  }
  return text.size() - end;
}

std::pair<size_t, size_t> stripped(std::string_view text) {
  const size_t begin = leading_space(text);
  return {begin, text.size() - trailing_space(text.substr(begin))};
}

}  // namespace apportion::jinja
