// A text that is changed before it becomes tokens, with the place in the original of every byte. normalizer.h
// and pre_tokenizer.h change it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace apportion {

/// The bytes [begin, end) of a text.
struct WordSpan {
  uint32_t begin;
  uint32_t end;
  bool operator==(const WordSpan&) const = default;
};

class AlignedText {
 public:
  /// `original` as it is; it starts at `base` of the whole text and must outlive this.
  AlignedText(std::string_view original, uint32_t base) : original_(original), base_(base) {}

  std::string_view text() const { return edited_ ? std::string_view(text_) : original_; }
  uint32_t size() const { return static_cast<uint32_t>(text().size()); }
  /// Where the bytes [begin, end), at least one, come from in the whole text.
  WordSpan origin(uint32_t begin, uint32_t end) const {
    if (!edited_) return {base_ + begin, base_ + end};
    return {origins_[begin].begin, origins_[end - 1].end};
  }

 private:
  friend class TextEdit;

  std::string_view original_;
  uint32_t base_;
  bool edited_ = false;
  std::string text_;
  std::vector<WordSpan> origins_;  // by byte of text_
};

/// The next form of a text, written from beginning to end.
class TextEdit {
 public:
  explicit TextEdit(const AlignedText& from) : from_(from), to_(from.original_, from.base_) {
    to_.edited_ = true;
    to_.text_.reserve(from.size() + from.size() / 2);
    to_.origins_.reserve(from.size() + from.size() / 2);
  }

  /// Keeps the bytes [begin, end) of the text as they are.
  void keep(uint32_t begin, uint32_t end) {
    to_.text_ += from_.text().substr(begin, end - begin);
    for (uint32_t i = begin; i < end; ++i) to_.origins_.push_back(from_.origin(i, i + 1));
  }

  /// Writes `content`, each byte of which stands for all of the bytes [begin, end), at least one. Throws
  /// UserError when the text becomes longer than any known model makes one: forty steps that double it would
  /// fill the memory.
  void put(std::string_view content, uint32_t begin, uint32_t end) {
    const size_t most = 64 * from_.original_.size() + 65536;
    if (to_.text_.size() + content.size() > most) fail_length(most);
    to_.text_ += content;
    to_.origins_.insert(to_.origins_.end(), content.size(), from_.origin(begin, end));
  }

  /// The number of bytes written so far.
  uint32_t size() const { return static_cast<uint32_t>(to_.text_.size()); }
  AlignedText finish() { return std::move(to_); }

 private:
  [[noreturn]] void fail_length(size_t most) const;

  const AlignedText& from_;
  AlignedText to_;
};

/// The size in bytes of the UTF-8 character that begins at `begin`; 1 when there is none.
uint32_t character_size(std::string_view text, uint32_t begin);

}  // namespace apportion
