// Runs a template's tree: statements write text, expressions become values.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "shared/jinja/functions.h"
#include "shared/jinja/runtime.h"
#include "shared/jinja/tree.h"
#include "shared/jinja/value.h"

namespace apportion::jinja {

/// The names in a template and what they stand for, those of inner scopes first.
class Scopes {
 public:
  using Names = std::vector<std::pair<std::string, Value>>;

  explicit Scopes(const Names& variables) : variables_(variables), scopes_(1) {}

  /// Null when nothing has that name.
  const Value* find(const std::string& name) const;
  void set(const std::string& name, Value value);

  /// Adds a scope while it lives. The scopes around it are seen through it or, if `alone`, only the
  /// outermost.
  class Inner {
   public:
    Inner(Scopes& scopes, bool alone) : scopes_(scopes) { scopes_.scopes_.push_back({{}, alone}); }
    ~Inner() { scopes_.scopes_.pop_back(); }
    Inner(const Inner&) = delete;
    Inner& operator=(const Inner&) = delete;

   private:
    Scopes& scopes_;
  };

 private:
  struct Scope {
    Names names;
    bool alone = false;
  };
  static const Value* find_in(const Names& names, const std::string& name);

  const Names& variables_;  // what the caller gave
  std::vector<Scope> scopes_;
};

class Evaluator {
 public:
  /// All three must outlive it; the tree must also outlive the values that it makes.
  Evaluator(const std::vector<Statement>& tree, const Scopes::Names& variables, Runtime& runtime)
      : tree_(tree), scopes_(variables), runtime_(runtime) {}

  MarkedText run();

 private:
  /// How a loop goes on after a statement.
  enum class Flow { goes_on, leaves, next };
  using Kind = Expression::Kind;

  Flow execute(const std::vector<Statement>& body, MarkedText& out);
  Flow execute(const Statement& statement, MarkedText& out);
  Flow execute_condition(const Statement& statement, MarkedText& out);
  Flow execute_loop(const Statement& statement, MarkedText& out);
  void execute_set(const Statement& statement);
  void assign(const Statement& statement, const Value& value);
  void write(const MarkedText& text, MarkedText& out);

  Value evaluate(const Expression& node);
  Value evaluate_container(const Expression& node);
  Value evaluate_member(const Expression& node);
  Value evaluate_comparison(const Expression& node);
  Value name(const std::string& name);
  Value call(const Expression& node);
  Value call_macro(const Callable& callable, Arguments arguments);
  Arguments arguments(const Expression& node, std::string what);

  const std::vector<Statement>& tree_;
  Scopes scopes_;
  Runtime& runtime_;
};

}  // namespace apportion::jinja
