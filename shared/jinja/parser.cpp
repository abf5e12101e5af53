#include "shared/jinja/parser.h"

#include <algorithm>

#include "shared/jinja/error.h"
#include "shared/jinja/expression_parser.h"
#include "shared/jinja/lexemes.h"

namespace apportion::jinja {
namespace {

using Kind = Statement::Kind;
using Body = std::vector<Statement>;

class StatementParser {
 public:
  explicit StatementParser(std::string_view source) : lexemes_(lex(source)), expressions_(lexemes_) {}

  Body run() {
    Body all = body({}, "", 1);
    return all;
  }

 private:
  static bool is_one_of(const std::string& name, const std::vector<std::string>& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  }

  /// Statements up to a tag with one of the names in `ends`; takes the name but not the tag's end. `opening`
  /// names the open tag, for errors.
  Body body(const std::vector<std::string>& ends, const std::string& opening, int begun) {
    const Lexemes::Nested nested(lexemes_);
    Body statements;
    while (!lexemes_.at_end()) {
      const int line = lexemes_.line();
      if (lexemes_.is(Lexeme::Kind::text)) {
        statements.push_back({Kind::text, line, lexemes_.take().text});
      } else if (lexemes_.is(Lexeme::Kind::output_begin)) {
        lexemes_.take();
        Statement output{Kind::output, line};
        output.value = expressions_.tuple_or_one();
        lexemes_.need(Lexeme::Kind::output_end, "the end }}");
        statements.push_back(std::move(output));
      } else {
        lexemes_.take();
        const std::string name = lexemes_.need(Lexeme::Kind::name, "a tag's name").text;
        if (is_one_of(name, ends)) {
          end_ = name;
          return statements;
        }
        statements.push_back(tag(name, line));
      }
    }
    if (!ends.empty()) throw JinjaError(begun, "{% " + opening + " %} has no {% " + ends.back() + " %}");
    return statements;
  }

  void end_of_tag() { lexemes_.need(Lexeme::Kind::block_end, "the end %}"); }

  Statement tag(const std::string& name, int line) {
    if (name == "if") return condition(line);
    if (name == "for") return loop(line);
    if (name == "set") return set(line);
    if (name == "macro") return macro(line);
    if (name == "generation") {
      end_of_tag();
      Statement scope{Kind::scope, line};
      scope.body = body({"endgeneration"}, name, line);
      end_of_tag();
      return scope;
    }
    if (name == "break" || name == "continue") {
      if (loops_ == 0) throw JinjaError(line, "{% " + name + " %} is outside of any {% for %}");
      end_of_tag();
      return {name == "break" ? Kind::leave : Kind::next, line};
    }
    throw JinjaError(line, "the tag {% " + name + " %} is not supported");
  }

  Statement condition(int line) {
    Statement node{Kind::condition, line};
    do {
      Statement::Branch branch;
      branch.condition = expressions_.plain_tuple_or_one();
      end_of_tag();
      branch.body = body({"elif", "else", "endif"}, "if", line);
      node.branches.push_back(std::move(branch));
    } while (end_ == "elif");
    if (end_ == "else") {
      end_of_tag();
      node.otherwise = body({"endif"}, "else", line);
    }
    end_of_tag();
    return node;
  }

  /// The names being set: one, or the several of a tuple.
  void targets(Statement& node) {
    const bool in_parentheses = lexemes_.skip_operation("(");
    do {
      if (!node.targets.empty() && (!lexemes_.is(Lexeme::Kind::name) || lexemes_.is_name("in")))
        break;  // a trailing comma
      const std::string name = lexemes_.need(Lexeme::Kind::name, "a name to set").text;
      if (is_one_of(name, {"true", "false", "none", "True", "False", "None"}))
        lexemes_.fail("nothing can be set to " + name + ", which is a value");
      node.targets.push_back(name);
    } while (lexemes_.skip_operation(",") && (node.unpacks = true));
    if (in_parentheses) lexemes_.need_operation(")");
  }

  Statement loop(int line) {
    Statement node{Kind::loop, line};
    targets(node);
    if (is_one_of("loop", node.targets)) lexemes_.fail("a for cannot set the name loop");
    if (!lexemes_.skip_name("in")) lexemes_.fail(lexemes_.next_in_words() + " is where in should be");
    node.value = expressions_.plain_tuple_or_one();
    if (lexemes_.skip_name("if")) node.filter = expressions_.expression();
    if (lexemes_.is_name("recursive")) lexemes_.fail("a recursive {% for %} is not supported");
    end_of_tag();
    ++loops_;
    node.body = body({"else", "endfor"}, "for", line);
    --loops_;
    if (end_ == "else") {
      end_of_tag();
      node.otherwise = body({"endfor"}, "else", line);
    }
    end_of_tag();
    return node;
  }

  Statement set(int line) {
    Statement node{Kind::set, line};
    targets(node);
    if (lexemes_.skip_operation(".")) {
      node.attribute = lexemes_.need(Lexeme::Kind::name, "the name of an attribute").text;
      if (node.unpacks) lexemes_.fail("an attribute among several names to set is not supported");
    }
    if (lexemes_.skip_operation("=")) {
      node.value = expressions_.tuple_or_one();
      end_of_tag();
      return node;
    }
    if (node.unpacks || !node.attribute.empty())
      lexemes_.fail(lexemes_.next_in_words() + " is where = should be");
    if (lexemes_.is_operation("|")) lexemes_.fail("a {% set %} block with a filter is not supported");
    end_of_tag();
    node.kind = Kind::set_text;
    node.body = body({"endset"}, "set", line);
    end_of_tag();
    return node;
  }

  /// A macro sees its arguments and the names that the template sets outside loops and macros, so it may only
  /// stand there itself.
  Statement macro(int line) {
    if (loops_ > 0 || in_macro_)
      throw JinjaError(line, "a {% macro %} inside of a for or macro is not supported");
    Statement node{Kind::macro, line};
    node.text = lexemes_.need(Lexeme::Kind::name, "the macro's name").text;
    lexemes_.need_operation("(");
    while (!lexemes_.is_operation(")")) {
      node.targets.push_back(lexemes_.need(Lexeme::Kind::name, "the name of an argument").text);
      if (lexemes_.skip_operation("=")) {
        node.defaults.push_back(expressions_.expression());
      } else if (!node.defaults.empty()) {
        lexemes_.fail("the argument " + node.targets.back() + " has no default and comes after one that has");
      }
      if (!lexemes_.skip_operation(",")) break;
    }
    lexemes_.need_operation(")");
    end_of_tag();
    in_macro_ = true;
    node.body = body({"endmacro"}, "macro", line);
    in_macro_ = false;
    end_of_tag();
    return node;
  }

  Lexemes lexemes_;
  ExpressionParser expressions_;
  std::string end_;  // the name of the tag that ended the last body
  int loops_ = 0;    // open loops
  bool in_macro_ = false;
};

}  // namespace

std::vector<Statement> parse(std::string_view source) { return StatementParser(source).run(); }

}  // namespace apportion::jinja
