#include "shared/jinja/lexer.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "shared/base/utf8.h"
#include "shared/jinja/error.h"
#include "shared/jinja/text.h"

namespace apportion::jinja {
namespace {

constexpr size_t most_bytes = size_t{1} << 20U;
constexpr std::array<std::string_view, 5> two_character_operators = {"//", "**", "==", "!=", ">="};
constexpr std::string_view operators = "+-/*%~[](){}<>=.:|,;";

/// Turns every line break into "\n", and drops the one at the end.
std::string with_plain_lines(std::string_view source) {
  std::string text;
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') continue;
    text += source[i] == '\r' ? '\n' : source[i];
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool starts_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 16;
}

void append_utf8(uint32_t code, std::string& out) {
  auto add = [&](uint32_t byte) { out += static_cast<char>(static_cast<uint8_t>(byte)); };
  if (code < 0x80) return add(code);
  if (code < 0x800) {
    add(0xC0 | (code >> 6U));
  } else {
    if (code < 0x10000) {
      add(0xE0 | (code >> 12U));
    } else {
      add(0xF0 | (code >> 18U));
      add(0x80 | ((code >> 12U) & 0x3FU));
    }
    add(0x80 | ((code >> 6U) & 0x3FU));
  }
  add(0x80 | (code & 0x3FU));
}

/// Reads up to `most` digits of that base at `at`, which moves past them; their number goes to `count`.
uint32_t read_code(std::string_view text, size_t& at, size_t most, int base, size_t& count) {
  uint32_t code = 0;
  for (count = 0; count < most && at < text.size() && digit_value(text[at]) < base; ++count, ++at)
    code = code * static_cast<uint32_t>(base) + static_cast<uint32_t>(digit_value(text[at]));
  return code;
}

/// What a one-letter escape stands for; '\0' when it is none.
char simple_escape(char c) {
  static constexpr std::string_view letters = "\\'\"abfnrtv", meanings = "\\'\"\a\b\f\n\r\t\v";
  const size_t at = letters.find(c);
  return at == std::string_view::npos ? '\0' : meanings[at];
}

/// What the characters between the quotes of a string stand for, with escapes as Python reads them (an
/// unknown one stays as it is written). Otherwise nothing, and `problem` says what is wrong: a code that is
/// cut short or is no character.
std::optional<std::string> unescaped(std::string_view inner, std::string& problem) {
  std::string out;
  for (size_t at = 0; at < inner.size();) {
    const char c = inner[at++];
    if (c != '\\') {
      out += c;
      continue;
    }
    const char next =
        inner[at++];  // a string never ends in a lone backslash: it would have escaped the quote
    if (next == '\n') continue;
    if (const char meaning = simple_escape(next); meaning != '\0') {
      out += meaning;
      continue;
    }
    const size_t digits = next == 'x' ? 2 : next == 'u' ? 4 : next == 'U' ? 8 : 0;
    size_t count = 0;
    uint32_t code = 0;
    if (digits > 0) {
      code = read_code(inner, at, digits, 16, count);
    } else if (digit_value(next) < 8) {
      --at;
      code = read_code(inner, at, 3, 8, count);
    } else if (next == 'N') {
      problem = "the escape \\N in a string is not supported";
      return {};
    } else {
      out += '\\';
      out += next;
      continue;
    }
    if (count < digits || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
      problem = "the escape \\";
      problem += next;
      problem += " in a string is cut short or stands for no character";
      return {};
    }
    append_utf8(code, out);
  }
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(with_plain_lines(source)), rest_(source_) {}

  std::vector<Lexeme> run() {
    while (!rest_.empty()) {
      const size_t tag = next_tag();
      if (tag == std::string_view::npos) {
        add_text(rest_);
        skip(rest_.size());
        break;
      }
      lex_tag(tag);
    }
    return std::move(lexemes_);
  }

 private:
  [[noreturn]] void fail(const std::string& message) const { throw JinjaError(line_, message); }

  size_t next_tag() const {
    for (size_t at = rest_.find('{'); at != std::string_view::npos; at = rest_.find('{', at + 1)) {
      if (at + 1 < rest_.size() && std::string_view("{%#").find(rest_[at + 1]) != std::string_view::npos)
        return at;
    }
    return std::string_view::npos;
  }

  void skip(size_t count) {
    line_ +=
        static_cast<int>(std::count(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(count), '\n'));
    at_line_start_ = count > 0 ? rest_[count - 1] == '\n' : at_line_start_;
    rest_.remove_prefix(count);
  }

  void add(Lexeme::Kind kind, std::string_view text) { lexemes_.push_back({kind, std::string(text), line_}); }
  void add_text(std::string_view text) {
    if (!text.empty()) add(Lexeme::Kind::text, text);
  }

  /// Adds the text in front of a tag, as much of it as the tag leaves, and the tag itself.
  void lex_tag(size_t tag) {
    const char kind = rest_[tag + 1];
    const char sign = tag + 2 < rest_.size() ? rest_[tag + 2] : '\0';
    std::string_view text = rest_.substr(0, tag);
    if (sign == '-') {
      text.remove_suffix(trailing_space(text));
    } else if (sign != '+' && kind != '{') {
      const size_t last_line = text.rfind('\n') + 1;  // 0 when there is none
      const bool starts_line = last_line > 0 || at_line_start_;
      if (starts_line && leading_space(text.substr(last_line)) == text.size() - last_line)
        text = text.substr(0, last_line);
    }
    add_text(text);
    skip(tag);
    const size_t opening = sign == '-' || sign == '+' ? 3 : 2;
    if (kind == '#') return lex_comment(opening);
    add(kind == '{' ? Lexeme::Kind::output_begin : Lexeme::Kind::block_begin, rest_.substr(0, 2));
    const int begun = line_;
    skip(opening);
    lex_inside(kind == '{' ? "}}" : "%}", begun);
  }

  /// The size of what follows the end of a tag and goes with it.
  size_t space_after(std::string_view text, bool strips, bool keeps) const {
    if (strips) return leading_space(text);
    return !keeps && text.starts_with('\n') ? 1 : 0;
  }

  void lex_comment(size_t opening) {
    const size_t end = rest_.find("#}", opening);
    if (end == std::string_view::npos) fail("a comment {# has no end #}");
    const char sign = end > opening ? rest_[end - 1] : '\0';
    skip(end + 2 + space_after(rest_.substr(end + 2), sign == '-', sign == '+'));
  }

  /// Adds lexemes up to and including `end`, which counts only outside brackets.
  void lex_inside(std::string_view end, int begun) {
    const bool is_block = end[0] == '%';
    const auto kind = is_block ? Lexeme::Kind::block_end : Lexeme::Kind::output_end;
    brackets_.clear();
    while (true) {
      while (!rest_.empty() && leading_space(rest_) > 0) skip(leading_space(rest_));
      if (rest_.empty())
        throw JinjaError(begun, std::string(is_block ? "a tag {% has no end %}" : "a tag {{ has no end }}"));
      if (brackets_.empty()) {
        const bool strips = rest_[0] == '-' && rest_.substr(1).starts_with(end);
        const bool keeps = is_block && rest_[0] == '+' && rest_.substr(1).starts_with(end);
        if (strips || keeps || rest_.starts_with(end)) {
          add(kind, end);
          const size_t size = strips || keeps ? 3 : 2;
          return skip(size + space_after(rest_.substr(size), strips, keeps || !is_block));
        }
      }
      lex_one();
    }
  }

  void lex_one() {
    const char first = rest_[0];
    if (is_digit(first)) return lex_number();
    if (first == '"' || first == '\'') return lex_string();
    if (starts_name(first)) {
      size_t size = 1;
      while (size < rest_.size() && (starts_name(rest_[size]) || is_digit(rest_[size]))) ++size;
      return take(Lexeme::Kind::name, size);
    }
    const std::string_view pair = rest_.substr(0, 2);
    const bool is_pair =
        pair == "<=" || std::find(two_character_operators.begin(), two_character_operators.end(), pair) !=
                            two_character_operators.end();
    if (!is_pair && operators.find(first) == std::string_view::npos)
      fail("the character " + storable_text(rest_.substr(0, character_starts(rest_.substr(0, 4))[1])) +
           " is not known in a tag");
    if (!is_pair) match_bracket(first);
    take(Lexeme::Kind::operation, is_pair ? 2 : 1);
  }

  void match_bracket(char c) {
    static constexpr std::string_view open = "([{", closed = ")]}";
    if (open.find(c) != std::string_view::npos) brackets_ += closed[open.find(c)];
    if (closed.find(c) == std::string_view::npos) return;
    if (brackets_.empty()) fail(std::string("a ") + c + " without what it would close");
    if (brackets_.back() != c) fail(std::string("a ") + c + " where a " + brackets_.back() + " should be");
    brackets_.pop_back();
  }

  void take(Lexeme::Kind kind, size_t size) {
    add(kind, rest_.substr(0, size));
    skip(size);
  }

  size_t digits_at(size_t at) const {
    size_t size = 0;
    while (at + size < rest_.size() && is_digit(rest_[at + size])) ++size;
    return size;
  }

  void lex_number() {
    size_t size = digits_at(0);
    auto kind = Lexeme::Kind::integer;
    const bool after_point =
        !lexemes_.empty() && lexemes_.back().kind == Lexeme::Kind::operation && lexemes_.back().text == ".";
    auto take_fraction = [&] {
      const size_t fraction = size < rest_.size() && rest_[size] == '.' ? digits_at(size + 1) : 0;
      if (fraction == 0 || after_point) return;
      size += 1 + fraction;
      kind = Lexeme::Kind::number;
    };
    take_fraction();
    if (!after_point && size < rest_.size() && (rest_[size] == 'e' || rest_[size] == 'E')) {
      const size_t sign =
          size + 1 < rest_.size() && (rest_[size + 1] == '+' || rest_[size + 1] == '-') ? 1 : 0;
      if (const size_t exponent = digits_at(size + 1 + sign); exponent > 0) {
        size += 1 + sign + exponent;
        kind = Lexeme::Kind::number;
      }
    }
    if (size < rest_.size() && starts_name(rest_[size]))
      fail("the number " + std::string(rest_.substr(0, size + 1)) +
           "... is not supported; 12, 1.5 and 1e5 are");
    if (kind == Lexeme::Kind::integer && size > 1 && rest_[0] == '0')
      fail("the number " + std::string(rest_.substr(0, size)) + " begins with a 0");
    take(kind, size);
  }

  void lex_string() {
    size_t end = 1;
    while (end < rest_.size() && rest_[end] != rest_[0]) end += rest_[end] == '\\' ? 2 : 1;
    if (end >= rest_.size()) fail("a string has no end");
    const std::string_view inner = rest_.substr(1, end - 1);
    std::string problem;
    const std::optional<std::string> meaning = unescaped(inner, problem);
    if (!meaning) fail(problem);
    add(Lexeme::Kind::string, *meaning);
    skip(end + 1);
  }

  const std::string source_;
  std::string_view rest_;
  std::vector<Lexeme> lexemes_;
  std::string brackets_;  // closing brackets that are still to come
  int line_ = 1;
  bool at_line_start_ = true;
};

}  // namespace

std::vector<Lexeme> lex(std::string_view source) {
  if (source.size() > most_bytes)
    throw JinjaError(1, "the template has " + std::to_string(source.size()) + " bytes; 2^20 is the most");
  if (const size_t wrong = first_invalid_byte(source); wrong != source.size()) {
    const auto lines = std::count(source.begin(), source.begin() + static_cast<std::ptrdiff_t>(wrong), '\n');
    throw JinjaError(static_cast<int>(lines) + 1, "the template is not UTF-8");
  }
  return Lexer(source).run();
}

}  // namespace apportion::jinja
