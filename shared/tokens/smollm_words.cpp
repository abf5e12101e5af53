// GPT-2's pattern as a hand-written scanner over ICU's character classes: the pattern never looks further
// back than one character, and its only backtracking (whitespace before a word) is one step.
#include "shared/tokens/smollm_words.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <array>
#include <limits>

#include "shared/base/error.h"

namespace apportion {
namespace {

enum class CharacterClass : uint8_t { letter, number, space, other };

CharacterClass classify(UChar32 character) {
  if (character < 0) return CharacterClass::other;
  uint32_t category = U_MASK(u_charType(character));
  if ((category & U_GC_L_MASK) != 0) return CharacterClass::letter;
  if ((category & U_GC_N_MASK) != 0) return CharacterClass::number;
  return u_isUWhiteSpace(character) ? CharacterClass::space : CharacterClass::other;
}

/// One character's class and where the next one begins.
struct Character {
  CharacterClass kind;
  int32_t next;
};

/// Walks a text character by character.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text), size_(static_cast<int32_t>(text.size())) {}

  int32_t size() const { return size_; }

  Character at(int32_t index) const {
    static const std::array<CharacterClass, 128> ascii = ascii_classes();
    auto byte = static_cast<uint8_t>(text_[static_cast<size_t>(index)]);
    if (byte < ascii.size()) return {ascii[byte], index + 1};
    const char* data = text_.data();
    UChar32 character = 0;
    U8_NEXT(data, index, size_, character);
    return {classify(character), index};
  }

  /// Where the run of characters of `kind` that begins at `index` ends.
  int32_t run_end(int32_t index, CharacterClass kind) const {
    while (index < size_) {
      Character character = at(index);
      if (character.kind != kind) break;
      index = character.next;
    }
    return index;
  }

  /// Where a contraction ('s 't 're 've 'm 'll 'd) that begins at `index` ends; `index` when there is none.
  int32_t contraction_end(int32_t index) const {
    for (std::string_view ending : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}) {
      if (text_.substr(static_cast<size_t>(index), ending.size()) == ending) {
        return index + static_cast<int32_t>(ending.size());
      }
    }
    return index;
  }

  /// Where the whitespace word that begins at `index` ends: a run leaves its last character to the following
  /// word, unless it has only that one. A number does not count as following: it is cut off before.
  int32_t space_end(int32_t index) const {
    int32_t end = index, last = index;
    while (end < size_) {
      Character character = at(end);
      if (character.kind == CharacterClass::number) return end;
      if (character.kind != CharacterClass::space) return last > index ? last : end;
      last = end;
      end = character.next;
    }
    return end;
  }

  /// Where the word that begins at `index` ends.
  int32_t word_end(int32_t index) const {
    Character first = at(index);
    if (first.kind == CharacterClass::number) return first.next;
    if (text_[static_cast<size_t>(index)] == '\'') {
      int32_t end = contraction_end(index);
      if (end > index) return end;
    }
    if (text_[static_cast<size_t>(index)] == ' ' && first.next < size_) {
      Character second = at(first.next);
      if (second.kind == CharacterClass::letter || second.kind == CharacterClass::other) {
        return run_end(second.next, second.kind);
      }
    }
    if (first.kind == CharacterClass::space) return space_end(index);
    return run_end(first.next, first.kind);
  }

 private:
  static std::array<CharacterClass, 128> ascii_classes() {
    std::array<CharacterClass, 128> classes{};
    for (size_t i = 0; i < classes.size(); ++i) classes[i] = classify(static_cast<UChar32>(i));
    return classes;
  }

  std::string_view text_;
  int32_t size_;
};

}  // namespace

std::vector<WordSpan> split_smollm(std::string_view text) {
  if (text.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    throw UserError("a text of " + std::to_string(text.size()) +
                    " bytes is too long to encode; 2^31 - 1 is the most");
  }
  Scanner scanner(text);
  std::vector<WordSpan> words;
  words.reserve(text.size() / 4 + 1);
  for (int32_t begin = 0; begin < scanner.size();) {
    int32_t end = scanner.word_end(begin);
    words.push_back({static_cast<uint32_t>(begin), static_cast<uint32_t>(end)});
    begin = end;
  }
  return words;
}

}  // namespace apportion
