#include "shared/tokens/split_pattern.h"

#include <unicode/regex.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include "shared/base/error.h"

namespace apportion {
namespace {

/// Reads an expression and writes one that ICU understands the same way.
class Translator {
 public:
  explicit Translator(std::string_view expression) : text_(expression) {}

  std::string run() {
    while (at_ < text_.size()) {
      const char next = text_[at_];
      switch (next) {
        case '\\':
          escape();
          break;
        case '[':
          set();
          break;
        case '(':
          group();
          break;
        case '{':
          repeat();
          break;
        case '.':
          ++at_;
          out_ += "[^\\n]";
          break;
        case '^':
        case '$':
          fail(std::string("has the anchor ") + next + " at character " + std::to_string(at_) +
               ", which means a line to one library and a text to another");
        default:
          out_ += next;
          ++at_;
      }
    }
    return std::move(out_);
  }

 private:
  [[noreturn]] static void fail(const std::string& reason) {
    throw UserError("the regular expression " + reason);
  }

  /// Translates what follows a backslash, inside a set and outside.
  void escape() {
    const size_t begin = at_++;
    if (at_ == text_.size()) fail("ends with a backslash");
    const char kind = text_[at_++];
    switch (kind) {
      case 's':
        out_ += "\\p{White_Space}";
        return;
      case 'S':
        out_ += "\\P{White_Space}";
        return;
      case 'd':
        out_ += "\\p{Nd}";
        return;
      case 'D':
        out_ += "\\P{Nd}";
        return;
      case 'p':
      case 'P':
        property(begin);
        return;
      case 'n':
      case 'r':
      case 't':
      case 'f':
        (out_ += '\\') += kind;
        return;
      case 'v':
        out_ += "\\u000B";  // ICU's \v is any vertical blank
        return;
      default:
        break;
    }
    if (static_cast<uint8_t>(kind) < 0x80 && std::isalnum(static_cast<uint8_t>(kind)) != 0) {
      fail(std::string("has \\") + kind + " at character " + std::to_string(begin) +
           "; of these \\s \\S \\d \\D \\p{..} \\P{..} \\n \\r \\t \\f \\v are supported");
    }
    if (static_cast<uint8_t>(kind) < 0x80) out_ += '\\';
    out_ += kind;
  }

  /// General categories and scripts, which have the same names in both.
  void property(size_t begin) {
    const size_t end = text_.find('}', at_);
    if (at_ == text_.size() || text_[at_] != '{' || end == std::string_view::npos) {
      fail("has a \\p without {..} at character " + std::to_string(begin));
    }
    const std::string name(text_.substr(at_ + 1, end - at_ - 1));
    const bool known =
        u_getPropertyValueEnum(UCHAR_GENERAL_CATEGORY_MASK, name.c_str()) != UCHAR_INVALID_CODE ||
        u_getPropertyValueEnum(UCHAR_SCRIPT, name.c_str()) != UCHAR_INVALID_CODE;
    if (name.empty() || !known) {
      fail("has \\p{" + name + "} at character " + std::to_string(begin) +
           "; general categories and scripts are supported");
    }
    out_ += text_.substr(begin, end + 1 - begin);
    at_ = end + 1;
  }

  void set() {
    const size_t begin = at_++;
    out_ += '[';
    if (at_ < text_.size() && text_[at_] == '^') {
      out_ += '^';
      ++at_;
    }
    const size_t first = at_;
    while (at_ < text_.size() && (text_[at_] != ']' || at_ == first)) {
      const char next = text_[at_];
      if (next == '\\') {
        escape();
        continue;
      }
      if (next == '[') fail("has a set within a set at character " + std::to_string(at_));
      if (next == '&' && text_.substr(at_, 2) == "&&")
        fail("has an intersection of sets at character " + std::to_string(at_));
      if (next == '-' && text_.substr(at_, 2) == "--")
        fail("has -- in a set at character " + std::to_string(at_));
      // Characters that mean themselves to Oniguruma but may be operators to ICU.
      if (std::string_view("&{}$#~|]").find(next) != std::string_view::npos) out_ += '\\';
      out_ += next;
      ++at_;
    }
    if (at_ == text_.size())
      fail("has a set without an end, which begins at character " + std::to_string(begin));
    out_ += ']';
    ++at_;
  }

  void group() {
    for (std::string_view known : {"(?:", "(?i:", "(?=", "(?!", "(?<=", "(?<!", "(?>"}) {
      if (text_.substr(at_, known.size()) != known) continue;
      out_ += known;
      at_ += known.size();
      return;
    }
    if (text_.substr(at_, 2) == "(?") {
      fail("has the group " + std::string(text_.substr(at_, 4)) + ".. at character " + std::to_string(at_) +
           "; (?: (?i: (?= (?! (?<= (?<! (?> are supported");
    }
    out_ += '(';
    ++at_;
  }

  /// {n}, {n,} and {n,m}; a + after them repeats in Oniguruma but is possessive in ICU.
  void repeat() {
    const size_t end = text_.find('}', at_);
    const std::string_view inside = end == std::string_view::npos ? "" : text_.substr(at_ + 1, end - at_ - 1);
    if (inside.empty() || inside.find_first_not_of("0123456789,") != std::string_view::npos ||
        inside[0] == ',') {
      fail("has a { that begins no repetition at character " + std::to_string(at_));
    }
    if (end + 1 < text_.size() && text_[end + 1] == '+')
      fail("has }+ at character " + std::to_string(end) + ", of which libraries understand different things");
    out_ += text_.substr(at_, end + 1 - at_);
    at_ = end + 1;
  }

  std::string_view text_;
  size_t at_ = 0;
  std::string out_;
};

/// A text in UTF-16, and for every unit the byte where its character begins.
struct WideText {
  std::u16string units;
  std::vector<uint32_t> bytes;  // one more than units: the text's end

  explicit WideText(std::string_view text) {
    units.reserve(text.size());
    bytes.reserve(text.size() + 1);
    const char* data = text.data();
    const auto size = static_cast<int32_t>(text.size());
    for (int32_t i = 0; i < size;) {
      const auto begin = static_cast<uint32_t>(i);
      UChar32 character = static_cast<uint8_t>(data[i]);
      if (character < 0x80) {
        ++i;
      } else {
        U8_NEXT(data, i, size, character);
        if (character < 0) character = 0xFFFD;
      }
      if (U_IS_BMP(character)) {
        units += static_cast<char16_t>(character);
      } else {
        units += static_cast<char16_t>(U16_LEAD(character));
        units += static_cast<char16_t>(U16_TRAIL(character));
        bytes.push_back(begin);
      }
      bytes.push_back(begin);
    }
    bytes.push_back(static_cast<uint32_t>(text.size()));
  }
};

/// How much of ICU's time a text may take, since an expression may go through a text in more ways than there
/// is time for. Counted in ICU's steps, not in seconds, so that a text is cut on every machine or on none. A
/// step is 10'000 states that ICU remembers to come back to; expressions of known models need a few for each
/// character.
class Patience {
 public:
  explicit Patience(size_t text_bytes) : left_(1000 + text_bytes / 100) {}

  static UBool U_CALLCONV take_step(const void* patience, int32_t) {
    uint64_t& left = static_cast<const Patience*>(patience)->left_;
    return left > 0 && --left > 0;
  }

 private:
  mutable uint64_t left_;
};

}  // namespace

std::string icu_expression(std::string_view expression) { return Translator(expression).run(); }

struct SplitPattern::Compiled {
  std::unique_ptr<icu::RegexPattern> pattern;
};

SplitPattern::SplitPattern(std::string_view expression) : compiled_(std::make_unique<Compiled>()) {
  const auto translated = icu::UnicodeString::fromUTF8(icu_expression(expression));
  UErrorCode status = U_ZERO_ERROR;
  UParseError place{};
  compiled_->pattern.reset(icu::RegexPattern::compile(translated, place, status));
  if (U_FAILURE(status)) {
    throw UserError(std::string("the regular expression is not one that ICU reads (") + u_errorName(status) +
                    " near character " + std::to_string(place.offset) + ")");
  }
}

SplitPattern::~SplitPattern() = default;
SplitPattern::SplitPattern(SplitPattern&&) noexcept = default;

std::vector<std::vector<WordSpan>> SplitPattern::matches(std::string_view text,
                                                         const std::vector<WordSpan>& words) const {
  const WideText wide(text);
  const icu::UnicodeString units(false, wide.units.data(), static_cast<int32_t>(wide.units.size()));
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<icu::RegexMatcher> matcher(compiled_->pattern->matcher(units, status));
  ensure(U_SUCCESS(status), "ICU makes a matcher of a pattern");
  const Patience patience(text.size());
  matcher->setMatchCallback(Patience::take_step, &patience, status);
  std::vector<std::vector<WordSpan>> found(words.size());
  size_t unit = 0;
  for (size_t i = 0; i < words.size(); ++i) {
    while (wide.bytes[unit] < words[i].begin) ++unit;
    const size_t begin = unit;
    while (wide.bytes[unit] < words[i].end) ++unit;
    matcher->region(static_cast<int64_t>(begin), static_cast<int64_t>(unit), status);
    while (matcher->find(status)) {
      found[i].push_back({wide.bytes[static_cast<size_t>(matcher->start(status))],
                          wide.bytes[static_cast<size_t>(matcher->end(status))]});
    }
    if (U_FAILURE(status)) {
      const bool stopped = status == U_REGEX_STOPPED_BY_CALLER;
      throw UserError("a text of " + std::to_string(text.size()) + " bytes cannot be cut into words: " +
                      (stopped ? "the tokenizer's regular expression has too many ways to go through it"
                               : std::string("ICU's regular expressions say ") + u_errorName(status)));
    }
  }
  return found;
}

}  // namespace apportion
