#include "shared/jinja/evaluator.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "shared/jinja/filters.h"
#include "shared/jinja/members.h"
#include "shared/jinja/predicates.h"

namespace apportion::jinja {
namespace {

/// Rounds down, as Python does.
int64_t floor_division(int64_t left, int64_t right, Runtime& runtime) {
  if (right == 0) runtime.fail("a division by 0");
  if (right == -1 && left == std::numeric_limits<int64_t>::min())
    runtime.fail("a number does not fit 64 bits");
  const int64_t quotient = left / right;
  return left % right != 0 && (left < 0) != (right < 0) ? quotient - 1 : quotient;
}

Value whole_result(char symbol, int64_t left, int64_t right, Runtime& runtime) {
  int64_t result = 0;
  bool overflows = false;
  if (symbol == '+') overflows = __builtin_add_overflow(left, right, &result);
  if (symbol == '-') overflows = __builtin_sub_overflow(left, right, &result);
  if (symbol == '*') overflows = __builtin_mul_overflow(left, right, &result);
  if (symbol == '%') result = right == -1 ? 0 : left - floor_division(left, right, runtime) * right;
  if (overflows) runtime.fail("a number does not fit 64 bits");
  return Value::integer(result);
}

Value real_result(const std::string& name, double left, double right, Runtime& runtime) {
  if (name == "+") return Value::number(left + right);
  if (name == "-") return Value::number(left - right);
  if (name == "*") return Value::number(left * right);
  if (right == 0) runtime.fail("a division by 0");
  if (name == "/") return Value::number(left / right);
  double rest = std::fmod(left, right);
  if (rest != 0 && (rest < 0) != (right < 0)) rest += right;
  if (name == "%") return Value::number(rest);
  return Value::number(std::floor((left - rest) / right + 0.5));
}

Value arithmetic(const std::string& name, const Value& left, const Value& right, Runtime& runtime) {
  const auto whole_left = left.as_integer(), whole_right = right.as_integer();
  if (!whole_left || !whole_right || name == "/")
    return real_result(name, *left.as_number(), *right.as_number(), runtime);
  if (name == "//") return Value::integer(floor_division(*whole_left, *whole_right, runtime));
  return whole_result(name[0], *whole_left, *whole_right, runtime);
}

/// text * count
Value repeated(const MarkedText& text, int64_t count, Runtime& runtime) {
  MarkedText out;
  if (count <= 0 || text.empty()) return out;
  // Charged before any of it is made; so many steps of so many bytes fit into a size_t.
  runtime.use_steps(static_cast<size_t>(count));
  runtime.use_bytes(static_cast<size_t>(count) * text.cost());
  for (int64_t i = 0; i < count; ++i) out.append(text);
  return out;
}

bool is_same_kind(const Sequence* left, const Sequence* right) {
  return left != nullptr && right != nullptr && left->kind == right->kind &&
         (left->kind == Sequence::Kind::list || left->kind == Sequence::Kind::tuple);
}

Value operate(const std::string& name, const Value& left, const Value& right, Runtime& runtime) {
  for (const Value* side : {&left, &right}) {
    if (const auto* missing = side->get<Undefined>()) runtime.fail(missing->name + " is not defined");
  }
  if (left.as_number() && right.as_number()) return arithmetic(name, left, right, runtime);
  if (name == "+" && left.is_text() && right.is_text()) {
    runtime.use_bytes(left.as_text()->cost() + right.as_text()->cost());
    MarkedText out = *left.as_text();
    out.append(*right.as_text());
    return out;
  }
  if (name == "+" && is_same_kind(left.as_sequence(), right.as_sequence())) {
    std::vector<Value> elements = left.as_sequence()->elements;
    const std::vector<Value>& others = right.as_sequence()->elements;
    elements.insert(elements.end(), others.begin(), others.end());
    return make_sequence(left.as_sequence()->kind, std::move(elements), runtime);
  }
  if (name == "*" && left.is_text() && right.as_integer())
    return repeated(*left.as_text(), *right.as_integer(), runtime);
  if (name == "*" && right.is_text() && left.as_integer())
    return repeated(*right.as_text(), *left.as_integer(), runtime);
  runtime.fail("a " + left.type_name() + " " + name + " a " + right.type_name() + " is not supported" +
               (name == "+" && (left.is_text() || right.is_text()) ? "; ~ joins any two as text" : ""));
}

Value negative(const Value& value, Runtime& runtime) {
  if (const auto whole = value.as_integer())
    return operate("-", Value::integer(0), Value::integer(*whole), runtime);
  if (const auto real = value.as_number()) return Value::number(-*real);
  if (const auto* missing = value.get<Undefined>()) runtime.fail(missing->name + " is not defined");
  runtime.fail("a " + value.type_name() + " has no sign");
}

}  // namespace

const Value* Scopes::find_in(const Names& names, const std::string& name) {
  for (const auto& [key, value] : names) {
    if (key == name) return &value;
  }
  return nullptr;
}

const Value* Scopes::find(const std::string& name) const {
  for (size_t i = scopes_.size() - 1; i > 0; --i) {
    if (const Value* found = find_in(scopes_[i].names, name)) return found;
    if (scopes_[i].alone) break;
  }
  const Value* found = find_in(scopes_[0].names, name);
  return found != nullptr ? found : find_in(variables_, name);
}

void Scopes::set(const std::string& name, Value value) {
  for (auto& [key, old] : scopes_.back().names) {
    if (key != name) continue;
    old = std::move(value);
    return;
  }
  scopes_.back().names.emplace_back(name, std::move(value));
}

MarkedText Evaluator::run() {
  MarkedText out;
  execute(tree_, out);
  return out;
}

void Evaluator::write(const MarkedText& text, MarkedText& out) {
  runtime_.use_bytes(text.cost());
  out.append(text);
}

Evaluator::Flow Evaluator::execute(const std::vector<Statement>& body, MarkedText& out) {
  for (const Statement& statement : body) {
    const Flow flow = execute(statement, out);
    if (flow != Flow::goes_on) return flow;
  }
  return Flow::goes_on;
}

Evaluator::Flow Evaluator::execute(const Statement& statement, MarkedText& out) {
  const Runtime::Step step(runtime_, statement.line);
  switch (statement.kind) {
    case Statement::Kind::text:
      write(MarkedText(statement.text, Origin::template_text), out);
      return Flow::goes_on;
    case Statement::Kind::output:
      write(text_of(evaluate(*statement.value), runtime_), out);
      return Flow::goes_on;
    case Statement::Kind::condition:
      return execute_condition(statement, out);
    case Statement::Kind::loop:
      return execute_loop(statement, out);
    case Statement::Kind::set:
    case Statement::Kind::set_text:
      execute_set(statement);
      return Flow::goes_on;
    case Statement::Kind::macro:
      scopes_.set(statement.text, Callable{statement.text, nullptr, &statement});
      return Flow::goes_on;
    case Statement::Kind::scope: {
      const Scopes::Inner inner(scopes_, false);
      return execute(statement.body, out);
    }
    case Statement::Kind::leave:
      return Flow::leaves;
    case Statement::Kind::next:
      return Flow::next;
  }
  throw InternalError("an unknown statement of a template");
}

Evaluator::Flow Evaluator::execute_condition(const Statement& statement, MarkedText& out) {
  for (const Statement::Branch& branch : statement.branches) {
    if (evaluate(*branch.condition).truth()) return execute(branch.body, out);
  }
  return execute(statement.otherwise, out);
}

Evaluator::Flow Evaluator::execute_loop(const Statement& statement, MarkedText& out) {
  std::vector<Value> elements = elements_of(evaluate(*statement.value), runtime_);
  if (statement.filter) {
    std::vector<Value> kept;
    for (const Value& element : elements) {
      const Scopes::Inner inner(scopes_, false);
      assign(statement, element);
      if (evaluate(*statement.filter).truth()) kept.push_back(element);
    }
    elements = std::move(kept);
  }
  if (elements.empty()) {
    const Scopes::Inner inner(scopes_, false);
    return execute(statement.otherwise, out);
  }
  const auto sequence = std::make_shared<const Sequence>(Sequence{Sequence::Kind::list, std::move(elements)});
  for (size_t i = 0; i < sequence->elements.size(); ++i) {
    const Scopes::Inner inner(scopes_, false);
    assign(statement, sequence->elements[i]);
    scopes_.set("loop", std::make_shared<Loop>(Loop{sequence, i}));
    if (execute(statement.body, out) == Flow::leaves) break;
  }
  return Flow::goes_on;
}

void Evaluator::assign(const Statement& statement, const Value& value) {
  if (!statement.unpacks) return scopes_.set(statement.targets[0], value);
  const std::vector<Value> elements = elements_of(value, runtime_);
  if (elements.size() != statement.targets.size())
    runtime_.fail(std::to_string(elements.size()) + " values are there for " +
                  std::to_string(statement.targets.size()) + " names");
  for (size_t i = 0; i < elements.size(); ++i) scopes_.set(statement.targets[i], elements[i]);
}

void Evaluator::execute_set(const Statement& statement) {
  if (statement.kind == Statement::Kind::set_text) {
    MarkedText text;
    {
      const Scopes::Inner inner(scopes_, false);
      execute(statement.body, text);
    }
    return scopes_.set(statement.targets[0], std::move(text));
  }
  const Value value = evaluate(*statement.value);
  if (statement.attribute.empty()) return assign(statement, value);
  const std::string& target = statement.targets[0];
  const Value* found = scopes_.find(target);
  Namespace* names = found == nullptr ? nullptr : found->as_namespace();
  if (names == nullptr)
    runtime_.fail(target + " is no namespace, so its " + statement.attribute + " cannot be set");
  need_plain(value, runtime_);
  if (statement.attribute.starts_with('_'))
    runtime_.fail("an attribute of a namespace must not begin with _, as " + statement.attribute + " does");
  for (auto& [name, old] : names->attributes) {
    if (name != statement.attribute) continue;
    old = value;
    return;
  }
  names->attributes.emplace_back(statement.attribute, value);
}

Value Evaluator::evaluate(const Expression& node) {
  const Runtime::Step step(runtime_, node.line);
  auto part = [&](size_t i) { return evaluate(*node.parts[i]); };
  switch (node.kind) {
    case Kind::constant:
      return node.value;
    case Kind::name:
      return name(node.name);
    case Kind::list:
    case Kind::tuple:
    case Kind::dict:
      return evaluate_container(node);
    case Kind::attribute:
    case Kind::item:
    case Kind::slice:
      return evaluate_member(node);
    case Kind::call:
      return call(node);
    case Kind::filter: {
      const Value subject = part(0);
      return apply_filter(node.name, subject, arguments(node, "the filter " + node.name), runtime_);
    }
    case Kind::test: {
      const Value subject = part(0);
      return Value::boolean(holds(node.name, subject, arguments(node, "the test " + node.name), runtime_));
    }
    case Kind::negative:
      return negative(part(0), runtime_);
    case Kind::positive:
      return operate("+", Value::integer(0), part(0), runtime_);
    case Kind::negation:
      return Value::boolean(!part(0).truth());
    case Kind::both:
    case Kind::either: {
      Value left = part(0);
      return left.truth() == (node.kind == Kind::either) ? left : part(1);
    }
    case Kind::operation: {
      const Value left = part(0);
      return operate(node.name, left, part(1), runtime_);
    }
    case Kind::joined: {
      MarkedText text;
      for (size_t i = 0; i < node.parts.size(); ++i) write(text_of(part(i), runtime_), text);
      return text;
    }
    case Kind::comparison:
      return evaluate_comparison(node);
    case Kind::conditional:
      if (part(1).truth()) return part(0);
      return node.parts[2] ? part(2) : Value(Undefined{"the value of an inline if without else"});
  }
  throw InternalError("an unknown expression of a template");
}

Value Evaluator::evaluate_container(const Expression& node) {
  std::vector<Value> parts;
  for (const ExpressionPointer& part : node.parts) parts.push_back(evaluate(*part));
  if (node.kind == Kind::list) return make_sequence(Sequence::Kind::list, std::move(parts), runtime_);
  if (node.kind == Kind::tuple) return make_sequence(Sequence::Kind::tuple, std::move(parts), runtime_);
  std::vector<std::pair<Value, Value>> items;
  for (size_t i = 0; i < parts.size(); i += 2) items.emplace_back(parts[i], parts[i + 1]);
  return make_mapping(items, runtime_);
}

Value Evaluator::evaluate_member(const Expression& node) {
  const Value of = evaluate(*node.parts[0]);
  if (node.kind == Kind::attribute) return attribute_of(of, node.name, runtime_);
  if (node.kind == Kind::item) return item_of(of, evaluate(*node.parts[1]), runtime_);
  std::vector<Value> values(4);
  std::vector<const Value*> bounds(4, nullptr);
  for (size_t i = 1; i < 4; ++i) {
    if (!node.parts[i]) continue;
    values[i] = evaluate(*node.parts[i]);
    bounds[i] = &values[i];
  }
  return slice_of(of, bounds[1], bounds[2], bounds[3], runtime_);
}

Value Evaluator::evaluate_comparison(const Expression& node) {
  Value left = evaluate(*node.parts[0]);
  for (size_t i = 0; i < node.operators.size(); ++i) {
    Value right = evaluate(*node.parts[i + 1]);
    if (!compare(node.operators[i], left, right, runtime_)) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Value Evaluator::name(const std::string& name) {
  if (const Value* found = scopes_.find(name)) return *found;
  if (is_function(name, runtime_)) return Callable{name};
  return Undefined{name};
}

Arguments Evaluator::arguments(const Expression& node, std::string what) {
  Arguments all{std::move(what)};
  for (size_t i = 1; i < node.parts.size(); ++i) all.positional.push_back(evaluate(*node.parts[i]));
  for (const auto& [name, value] : node.keywords) all.named.emplace_back(name, evaluate(*value));
  return all;
}

Value Evaluator::call(const Expression& node) {
  const Value called = evaluate(*node.parts[0]);
  if (const auto* missing = called.get<Undefined>())
    runtime_.fail(missing->name + " is not defined, and it is called");
  const auto* callable = called.get<Callable>();
  if (callable == nullptr) runtime_.fail("a " + called.type_name() + " is called, which is no function");
  if (callable->macro != nullptr)
    return call_macro(*callable, arguments(node, "the macro " + callable->name));
  const std::string what = (callable->self ? "the method " : "the function ") + callable->name;
  if (callable->self) return call_method(*callable->self, callable->name, arguments(node, what), runtime_);
  return call_function(callable->name, arguments(node, what), runtime_);
}

Value Evaluator::call_macro(const Callable& callable, Arguments given) {
  const Statement& macro = *callable.macro;
  if (given.positional.size() > macro.targets.size())
    runtime_.fail(given.what + " has " + std::to_string(given.positional.size()) + " arguments; at most " +
                  std::to_string(macro.targets.size()) + " are expected");
  for (const auto& argument : given.named) {
    const auto place = std::find(macro.targets.begin(), macro.targets.end(), argument.first);
    if (place == macro.targets.end()) runtime_.fail(given.what + " has no argument " + argument.first);
    if (place - macro.targets.begin() < static_cast<std::ptrdiff_t>(given.positional.size()))
      runtime_.fail(given.what + " has the argument " + argument.first + " twice");
  }
  const Scopes::Inner inner(scopes_, true);
  const size_t without_default = macro.targets.size() - macro.defaults.size();
  for (size_t i = 0; i < macro.targets.size(); ++i) {
    const std::string& target = macro.targets[i];
    const auto named = std::find_if(given.named.begin(), given.named.end(),
                                    [&](const auto& argument) { return argument.first == target; });
    if (i < given.positional.size()) {
      scopes_.set(target, given.positional[i]);
    } else if (named != given.named.end()) {
      scopes_.set(target, named->second);
    } else if (i >= without_default) {
      scopes_.set(target, evaluate(*macro.defaults[i - without_default]));
    } else {
      scopes_.set(target, Undefined{target});
    }
  }
  MarkedText out;
  execute(macro.body, out);
  return out;
}

}  // namespace apportion::jinja
