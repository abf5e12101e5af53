// Text that remembers where it comes from: pieces of a template's own text, and pieces that a user or a
// dataset wrote. members.h and filters.h have the other operations on strings.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace apportion::jinja {

/// Who wrote a piece of text. Names of special tokens count as such only in a template's own text.
enum class Origin { template_text, input };

struct TextPiece {
  std::string text;
  Origin origin;
  bool operator==(const TextPiece&) const = default;
};

/// Neighbouring pieces differ in origin and none is empty. Positions and sizes are in bytes.
class MarkedText {
 public:
  MarkedText() = default;
  MarkedText(std::string_view text, Origin origin) { append(text, origin); }

  void append(std::string_view text, Origin origin);
  void append(const MarkedText& other);

  const std::vector<TextPiece>& pieces() const { return pieces_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  /// About how much memory it takes.
  size_t cost() const { return size_ + 48 * pieces_.size(); }
  /// All of it, without its marks.
  std::string str() const;
  /// `input` when any piece is: the origin of a text made from this one by other means than cutting and
  /// joining.
  Origin origin() const;
  /// The bytes [begin, end) with their marks; `end` is cut to the size.
  MarkedText slice(size_t begin, size_t end) const;

 private:
  std::vector<TextPiece> pieces_;
  size_t size_ = 0;
};

/// Where each character of UTF-8 begins, and the size at the end. A byte that is part of no character counts
/// as one.
std::vector<size_t> character_starts(std::string_view text);

/// Bytes at the start (at the end) of `text` that Python's str.isspace takes for white space.
size_t leading_space(std::string_view text);
size_t trailing_space(std::string_view text);

/// [begin, end) of `text` without white space at both ends.
std::pair<size_t, size_t> stripped(std::string_view text);

}  // namespace apportion::jinja
