#include "shared/jinja/expression_parser.h"

#include <algorithm>
#include <charconv>

namespace apportion::jinja {

using Kind = Expression::Kind;

void ExpressionParser::count_depth(Expression& node) const {
  int depth = 0;
  for (const ExpressionPointer& part : node.parts) depth = std::max(depth, part ? part->depth : 0);
  for (const auto& keyword : node.keywords) depth = std::max(depth, keyword.second->depth);
  node.depth = depth + 1;
  if (node.depth > max_tree_depth)
    lexemes_.fail("an expression has more than " + std::to_string(max_tree_depth) + " nested parts");
}

ExpressionPointer ExpressionParser::make(Kind kind, std::vector<ExpressionPointer> parts, std::string name) {
  const int line = parts.empty() || !parts[0] ? lexemes_.line() : parts[0]->line;
  auto node = std::make_unique<Expression>(Expression{kind, line});
  node->parts = std::move(parts);
  node->name = std::move(name);
  count_depth(*node);
  return node;
}

template <typename... Parts>
ExpressionPointer ExpressionParser::of(Kind kind, std::string name, Parts... parts) {
  std::vector<ExpressionPointer> all;
  (all.push_back(std::move(parts)), ...);
  return make(kind, std::move(all), std::move(name));
}

ExpressionPointer ExpressionParser::constant(Value value) {
  auto node = make(Kind::constant);
  node->value = std::move(value);
  return node;
}

bool ExpressionParser::tuple_ends() const {
  return lexemes_.is(Lexeme::Kind::output_end) || lexemes_.is(Lexeme::Kind::block_end) ||
         lexemes_.is_operation(")");
}

ExpressionPointer ExpressionParser::with_commas(bool with_condition) {
  std::vector<ExpressionPointer> parts;
  bool is_tuple = false;
  while (!tuple_ends()) {
    parts.push_back(with_condition ? expression() : either());
    if (!lexemes_.skip_operation(",")) break;
    is_tuple = true;
  }
  if (is_tuple) return make(Kind::tuple, std::move(parts));
  if (parts.empty()) lexemes_.fail(lexemes_.next_in_words() + " is where an expression should be");
  return std::move(parts[0]);
}

ExpressionPointer ExpressionParser::expression() {
  const Lexemes::Nested nested(lexemes_);
  ExpressionPointer node = either();
  while (lexemes_.skip_name("if")) {
    ExpressionPointer condition = either();
    ExpressionPointer otherwise = lexemes_.skip_name("else") ? expression() : nullptr;
    node = of(Kind::conditional, "", std::move(node), std::move(condition), std::move(otherwise));
  }
  return node;
}

ExpressionPointer ExpressionParser::either() {
  ExpressionPointer node = both();
  while (lexemes_.skip_name("or")) node = of(Kind::either, "", std::move(node), both());
  return node;
}

ExpressionPointer ExpressionParser::both() {
  ExpressionPointer node = negation();
  while (lexemes_.skip_name("and")) node = of(Kind::both, "", std::move(node), negation());
  return node;
}

ExpressionPointer ExpressionParser::negation() {
  const Lexemes::Nested nested(lexemes_);
  if (!lexemes_.is_name("not")) return comparison();
  lexemes_.take();
  return of(Kind::negation, "", negation());
}

bool ExpressionParser::take_comparison(std::string& name) {
  for (const char* known : {"==", "!=", "<=", "<", ">=", ">"}) {
    if (!lexemes_.skip_operation(known)) continue;
    name = known;
    return true;
  }
  name = lexemes_.is_name("not") && lexemes_.is_name("in", 1) ? "not in" : "in";
  if (name == "not in") lexemes_.take();
  return lexemes_.skip_name("in");
}

ExpressionPointer ExpressionParser::comparison() {
  std::vector<ExpressionPointer> parts;
  parts.push_back(sum());
  std::vector<std::string> operators;
  std::string name;
  while (take_comparison(name)) {
    operators.push_back(name);
    parts.push_back(sum());
  }
  if (operators.empty()) return std::move(parts[0]);
  ExpressionPointer node = make(Kind::comparison, std::move(parts));
  node->operators = std::move(operators);
  return node;
}

ExpressionPointer ExpressionParser::sum() {
  ExpressionPointer node = joined();
  while (lexemes_.is_operation("+") || lexemes_.is_operation("-")) {
    const std::string name = lexemes_.take().text;
    node = of(Kind::operation, name, std::move(node), joined());
  }
  return node;
}

ExpressionPointer ExpressionParser::joined() {
  std::vector<ExpressionPointer> parts;
  parts.push_back(product());
  while (lexemes_.skip_operation("~")) parts.push_back(product());
  return parts.size() == 1 ? std::move(parts[0]) : make(Kind::joined, std::move(parts));
}

ExpressionPointer ExpressionParser::product() {
  auto power = [&] {
    ExpressionPointer node = unary(true);
    if (lexemes_.is_operation("**")) lexemes_.fail("the operator ** is not supported");
    return node;
  };
  ExpressionPointer node = power();
  for (bool goes_on = true; goes_on;) {
    goes_on = false;
    for (const char* known : {"*", "//", "/", "%"}) {
      if (!lexemes_.skip_operation(known)) continue;
      node = of(Kind::operation, known, std::move(node), power());
      goes_on = true;
    }
  }
  return node;
}

ExpressionPointer ExpressionParser::unary(bool filtered) {
  const Lexemes::Nested nested(lexemes_);
  ExpressionPointer node;
  if (lexemes_.skip_operation("-")) {
    node = of(Kind::negative, "", unary(false));
  } else if (lexemes_.skip_operation("+")) {
    node = of(Kind::positive, "", unary(false));
  } else {
    node = primary();
  }
  node = with_postfixes(std::move(node));
  return filtered ? with_filters(std::move(node)) : std::move(node);
}

ExpressionPointer ExpressionParser::number(const Lexeme& lexeme) {
  const char *begin = lexeme.text.data(), *end = begin + lexeme.text.size();
  if (lexeme.kind == Lexeme::Kind::integer) {
    int64_t value = 0;
    if (std::from_chars(begin, end, value).ec != std::errc())
      lexemes_.fail("the number " + lexeme.text + " does not fit 64 bits");
    return constant(Value::integer(value));
  }
  double value = 0;
  if (std::from_chars(begin, end, value).ec != std::errc())
    lexemes_.fail("the number " + lexeme.text + " does not fit a double");
  return constant(Value::number(value));
}

ExpressionPointer ExpressionParser::primary() {
  if (lexemes_.is_operation("(")) return parenthesis();
  if (lexemes_.is_operation("[")) return list();
  if (lexemes_.is_operation("{")) return dict();
  if (lexemes_.is(Lexeme::Kind::string)) {
    std::string text;
    while (lexemes_.is(Lexeme::Kind::string)) text += lexemes_.take().text;
    return constant(Value::text(text));
  }
  if (lexemes_.is(Lexeme::Kind::integer) || lexemes_.is(Lexeme::Kind::number)) return number(lexemes_.take());
  const std::string name = lexemes_.need(Lexeme::Kind::name, "an expression").text;
  if (name == "true" || name == "True") return constant(Value::boolean(true));
  if (name == "false" || name == "False") return constant(Value::boolean(false));
  if (name == "none" || name == "None") return constant(None{});
  return make(Kind::name, {}, name);
}

ExpressionPointer ExpressionParser::parenthesis() {
  lexemes_.take();
  if (lexemes_.skip_operation(")")) return make(Kind::tuple);
  ExpressionPointer node = tuple_or_one();
  lexemes_.need_operation(")");
  return node;
}

ExpressionPointer ExpressionParser::list() {
  lexemes_.take();
  std::vector<ExpressionPointer> parts;
  while (!lexemes_.is_operation("]")) {
    parts.push_back(expression());
    if (!lexemes_.skip_operation(",")) break;
  }
  lexemes_.need_operation("]");
  return make(Kind::list, std::move(parts));
}

ExpressionPointer ExpressionParser::dict() {
  lexemes_.take();
  std::vector<ExpressionPointer> parts;
  while (!lexemes_.is_operation("}")) {
    parts.push_back(expression());
    lexemes_.need_operation(":");
    parts.push_back(expression());
    if (!lexemes_.skip_operation(",")) break;
  }
  lexemes_.need_operation("}");
  return make(Kind::dict, std::move(parts));
}

ExpressionPointer ExpressionParser::with_postfixes(ExpressionPointer node) {
  while (true) {
    if (lexemes_.is_operation(".") || lexemes_.is_operation("[")) {
      node = subscript(std::move(node));
    } else if (lexemes_.is_operation("(")) {
      node = of(Kind::call, "", std::move(node));
      arguments(*node);
    } else {
      return node;
    }
  }
}

ExpressionPointer ExpressionParser::with_filters(ExpressionPointer node) {
  while (true) {
    if (lexemes_.skip_operation("|")) {
      node = of(Kind::filter, dotted_name("the name of a filter"), std::move(node));
      if (lexemes_.is_operation("(")) arguments(*node);
    } else if (lexemes_.skip_name("is")) {
      node = test(std::move(node));
    } else if (lexemes_.is_operation("(")) {
      node = of(Kind::call, "", std::move(node));
      arguments(*node);
    } else {
      return node;
    }
  }
}

ExpressionPointer ExpressionParser::subscript(ExpressionPointer node) {
  if (lexemes_.take().text == "[") return bracket(std::move(node));
  if (lexemes_.is(Lexeme::Kind::integer)) return of(Kind::item, "", std::move(node), number(lexemes_.take()));
  return of(Kind::attribute, lexemes_.need(Lexeme::Kind::name, "a name after the point").text,
            std::move(node));
}

ExpressionPointer ExpressionParser::bracket(ExpressionPointer node) {
  std::vector<ExpressionPointer> parts;
  parts.push_back(std::move(node));
  bool is_slice = false;
  auto ends = [&] { return lexemes_.is_operation(":") || lexemes_.is_operation("]"); };
  parts.push_back(ends() ? nullptr : expression());
  while (parts.size() < 4 && lexemes_.skip_operation(":")) {
    is_slice = true;
    parts.push_back(ends() ? nullptr : expression());
  }
  if (lexemes_.is_operation(",")) lexemes_.fail("several subscripts in one [ ] are not supported");
  if (!is_slice && !parts[1]) lexemes_.fail("] is where an expression should be");
  lexemes_.need_operation("]");
  if (!is_slice) return make(Kind::item, std::move(parts));
  while (parts.size() < 4) parts.push_back(nullptr);
  return make(Kind::slice, std::move(parts));
}

std::string ExpressionParser::dotted_name(const std::string& what) {
  std::string name = lexemes_.need(Lexeme::Kind::name, what).text;
  while (lexemes_.skip_operation(".")) name += '.' + lexemes_.need(Lexeme::Kind::name, what).text;
  return name;
}

ExpressionPointer ExpressionParser::test(ExpressionPointer node) {
  const bool is_negated = lexemes_.skip_name("not");
  node = of(Kind::test, dotted_name("the name of a test"), std::move(node));
  const bool no_argument = lexemes_.is_name("else") || lexemes_.is_name("or") || lexemes_.is_name("and");
  const bool has_argument = lexemes_.is(Lexeme::Kind::name) || lexemes_.is(Lexeme::Kind::string) ||
                            lexemes_.is(Lexeme::Kind::integer) || lexemes_.is(Lexeme::Kind::number) ||
                            lexemes_.is_operation("[") || lexemes_.is_operation("{");
  if (lexemes_.is_operation("(")) {
    arguments(*node);
  } else if (has_argument && !no_argument) {
    if (lexemes_.is_name("is"))
      lexemes_.fail("several tests (is) in a row are not supported; put `and` between them");
    node->parts.push_back(with_postfixes(primary()));
    count_depth(*node);
  }
  return is_negated ? of(Kind::negation, "", std::move(node)) : std::move(node);
}

void ExpressionParser::arguments(Expression& node) {
  const Lexemes::Nested nested(lexemes_);
  lexemes_.need_operation("(");
  while (!lexemes_.is_operation(")")) {
    if (lexemes_.is_operation("*") || lexemes_.is_operation("**"))
      lexemes_.fail("arguments with * or ** are not supported");
    if (lexemes_.is(Lexeme::Kind::name) && lexemes_.is(Lexeme::Kind::operation, "=", 1)) {
      const std::string name = lexemes_.take().text;
      lexemes_.take();
      for (const auto& keyword : node.keywords) {
        if (keyword.first == name) lexemes_.fail("the argument " + name + " appears twice");
      }
      node.keywords.emplace_back(name, expression());
    } else {
      if (!node.keywords.empty()) lexemes_.fail("an argument without a name comes after one with a name");
      node.parts.push_back(expression());
    }
    if (!lexemes_.skip_operation(",")) break;
  }
  lexemes_.need_operation(")");
  count_depth(node);
}

}  // namespace apportion::jinja
