// Expressions of a template: from lexemes to a tree, with Jinja's own precedence.
#pragma once

#include "shared/jinja/lexemes.h"
#include "shared/jinja/tree.h"

namespace apportion::jinja {

/// Throws JinjaError that names what stands where something else should.
class ExpressionParser {
 public:
  explicit ExpressionParser(Lexemes& lexemes) : lexemes_(lexemes) {}

  /// As in {{ }} or after set: commas make a tuple.
  ExpressionPointer tuple_or_one() { return with_commas(true); }
  /// The same without an inline if, which could not be told from an `if` or `for` around it.
  ExpressionPointer plain_tuple_or_one() { return with_commas(false); }
  ExpressionPointer expression();

 private:
  ExpressionPointer make(Expression::Kind kind, std::vector<ExpressionPointer> parts = {},
                         std::string name = {});
  ExpressionPointer constant(Value value);
  template <typename... Parts>
  ExpressionPointer of(Expression::Kind kind, std::string name, Parts... parts);
  void count_depth(Expression& node) const;

  ExpressionPointer with_commas(bool with_condition);
  bool tuple_ends() const;
  ExpressionPointer either();
  ExpressionPointer both();
  ExpressionPointer negation();
  ExpressionPointer comparison();
  bool take_comparison(std::string& name);
  ExpressionPointer sum();
  ExpressionPointer joined();
  ExpressionPointer product();
  ExpressionPointer unary(bool with_filters);
  ExpressionPointer primary();
  ExpressionPointer parenthesis();
  ExpressionPointer list();
  ExpressionPointer dict();
  ExpressionPointer number(const Lexeme& lexeme);
  ExpressionPointer with_postfixes(ExpressionPointer node);
  ExpressionPointer with_filters(ExpressionPointer node);
  ExpressionPointer subscript(ExpressionPointer node);
  ExpressionPointer bracket(ExpressionPointer node);
  ExpressionPointer test(ExpressionPointer node);
  std::string dotted_name(const std::string& what);
  /// Parses a call's arguments and adds them to those of `node`; the next lexeme is the parenthesis.
  void arguments(Expression& node);

  Lexemes& lexemes_;
};

}  // namespace apportion::jinja
