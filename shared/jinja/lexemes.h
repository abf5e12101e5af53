// A template's lexemes during parsing: what comes next, and errors when something else has to.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shared/jinja/lexer.h"

namespace apportion::jinja {

class Lexemes {
 public:
  using Kind = Lexeme::Kind;

  explicit Lexemes(std::vector<Lexeme> lexemes) : lexemes_(std::move(lexemes)) {}

  bool at_end() const { return next_ == lexemes_.size(); }
  /// The line of the next lexeme, or of the last.
  int line() const;
  bool is(Kind kind, size_t ahead = 0) const;
  bool is(Kind kind, std::string_view text, size_t ahead = 0) const;
  bool is_name(std::string_view name, size_t ahead = 0) const { return is(Kind::name, name, ahead); }
  bool is_operation(std::string_view text) const { return is(Kind::operation, text); }
  /// Skips the next one if it is that.
  bool skip_operation(std::string_view text);
  bool skip_name(std::string_view name);
  Lexeme take();
  /// Takes the next one, which has to be that; `what` names it in the error.
  Lexeme need(Kind kind, const std::string& what);
  void need_operation(std::string_view text);
  [[noreturn]] void fail(const std::string& message) const;
  /// What comes next, for errors: "the name x", "}}".
  std::string next_in_words() const;

  /// Guards anything that can nest in itself.
  class Nested {
   public:
    explicit Nested(Lexemes& lexemes);
    ~Nested() { --lexemes_.depth_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;

   private:
    Lexemes& lexemes_;
  };

 private:
  std::vector<Lexeme> lexemes_;
  size_t next_ = 0;
  int depth_ = 0;
};

}  // namespace apportion::jinja
