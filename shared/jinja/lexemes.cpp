#include "shared/jinja/lexemes.h"

#include "shared/jinja/error.h"
#include "shared/jinja/tree.h"

namespace apportion::jinja {

int Lexemes::line() const {
  if (lexemes_.empty()) return 1;
  return at_end() ? lexemes_.back().line : lexemes_[next_].line;
}

bool Lexemes::is(Kind kind, size_t ahead) const {
  return next_ + ahead < lexemes_.size() && lexemes_[next_ + ahead].kind == kind;
}

bool Lexemes::is(Kind kind, std::string_view text, size_t ahead) const {
  return is(kind, ahead) && lexemes_[next_ + ahead].text == text;
}

bool Lexemes::skip_operation(std::string_view text) {
  if (!is_operation(text)) return false;
  ++next_;
  return true;
}

bool Lexemes::skip_name(std::string_view name) {
  if (!is_name(name)) return false;
  ++next_;
  return true;
}

Lexeme Lexemes::take() {
  if (at_end()) fail("the template ends too soon");
  return lexemes_[next_++];
}

Lexeme Lexemes::need(Kind kind, const std::string& what) {
  if (!is(kind)) fail(next_in_words() + " is where " + what + " should be");
  return take();
}

void Lexemes::need_operation(std::string_view text) {
  if (!skip_operation(text)) fail(next_in_words() + " is where " + std::string(text) + " should be");
}

void Lexemes::fail(const std::string& message) const { throw JinjaError(line(), message); }

std::string Lexemes::next_in_words() const {
  if (at_end()) return "the end of the template";
  const Lexeme& next = lexemes_[next_];
  if (next.kind == Kind::text) return "text";
  if (next.kind == Kind::string) return "a string";
  return (next.kind == Kind::name ? "the name " : "") + next.text;
}

Lexemes::Nested::Nested(Lexemes& lexemes) : lexemes_(lexemes) {
  if (lexemes_.depth_ == max_tree_depth)
    lexemes_.fail("expressions and blocks are nested more than " + std::to_string(max_tree_depth) + " deep");
  ++lexemes_.depth_;
}

}  // namespace apportion::jinja
