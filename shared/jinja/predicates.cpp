#include "shared/jinja/predicates.h"

#include <functional>
#include <map>

#include "shared/jinja/members.h"

namespace apportion::jinja {
namespace {

bool is_sequence(const Value& value) {
  const Sequence* sequence = value.as_sequence();
  if (sequence != nullptr)
    return sequence->kind != Sequence::Kind::view && sequence->kind != Sequence::Kind::generator;
  return value.is_text() || value.as_mapping() != nullptr || value.is_undefined();
}

bool is_iterable(const Value& value) {
  return is_sequence(value) || value.as_sequence() != nullptr || value.as_loop() != nullptr;
}

bool is_truth(const Value& value, bool wanted) {
  return value.get<bool>() != nullptr && *value.get<bool>() == wanted;
}

/// Tests that only look at the kind of a value.
const std::map<std::string, std::function<bool(const Value&)>>& kinds() {
  static const std::map<std::string, std::function<bool(const Value&)>> table = {
      {"defined", [](const Value& value) { return !value.is_undefined(); }},
      {"undefined", [](const Value& value) { return value.is_undefined(); }},
      {"none", [](const Value& value) { return value.is_none(); }},
      {"boolean", [](const Value& value) { return value.get<bool>() != nullptr; }},
      {"true", [](const Value& value) { return is_truth(value, true); }},
      {"false", [](const Value& value) { return is_truth(value, false); }},
      {"integer", [](const Value& value) { return value.get<int64_t>() != nullptr; }},
      {"float", [](const Value& value) { return value.get<double>() != nullptr; }},
      {"number", [](const Value& value) { return value.as_number().has_value(); }},
      {"string", [](const Value& value) { return value.is_text(); }},
      {"mapping", [](const Value& value) { return value.as_mapping() != nullptr; }},
      {"sequence", is_sequence},
      {"iterable", is_iterable},
      {"callable", [](const Value& value) { return value.get<Callable>() != nullptr; }},
  };
  return table;
}

/// The operator that a test with one argument stands for; empty when there is none.
std::string operator_of(const std::string& name) {
  static const std::map<std::string, std::string> operators = {
      {"eq", "=="}, {"equalto", "=="},    {"==", "=="}, {"ne", "!="}, {"!=", "!="}, {"lt", "<"},
      {"<", "<"},   {"lessthan", "<"},    {"gt", ">"},  {">", ">"},   {"le", "<="}, {"<=", "<="},
      {"ge", ">="}, {"greaterthan", ">"}, {">=", ">="}, {"in", "in"}};
  const auto found = operators.find(name);
  return found == operators.end() ? "" : found->second;
}

bool has_case(const Value& value, bool upper, Runtime& runtime) {
  const MarkedText text = text_of(value, runtime);
  const std::string all = text.str();
  // Python's isupper and islower: no letter of another case, and at least one that has a case at all.
  return all == with_case(text, upper ? LetterCase::upper : LetterCase::lower, runtime).str() &&
         all != with_case(text, upper ? LetterCase::lower : LetterCase::upper, runtime).str();
}

}  // namespace

bool compare(const std::string& name, const Value& left, const Value& right, Runtime& runtime) {
  if (name == "==") return equal(left, right, runtime);
  if (name == "!=") return !equal(left, right, runtime);
  if (name == "in") return contains(right, left, runtime);
  if (name == "not in") return !contains(right, left, runtime);
  const bool is_swapped = name == ">" || name == "<=";
  const auto result = is_swapped ? less(right, left, runtime) : less(left, right, runtime);
  if (!result)
    runtime.fail("a " + left.type_name() + " " + name + " a " + right.type_name() + " has no order here");
  // No template can make a NaN.
  return *result == (name == "<" || name == ">");
}

bool holds(const std::string& name, const Value& value, const Arguments& arguments, Runtime& runtime) {
  if (const auto found = kinds().find(name); found != kinds().end()) {
    arguments.bind({}, 0, runtime);
    return found->second(value);
  }
  if (const std::string symbol = operator_of(name); !symbol.empty()) {
    const auto bound = arguments.bind({"other"}, 1, runtime);
    return compare(symbol, value, *bound[0], runtime);
  }
  if (name == "upper" || name == "lower") {
    arguments.bind({}, 0, runtime);
    return has_case(value, name == "upper", runtime);
  }
  if (name == "odd" || name == "even" || name == "divisibleby") {
    const auto bound = arguments.bind({"num"}, name == "divisibleby" ? 1 : 0, runtime);
    const int64_t by = name == "divisibleby" ? need_integer(*bound[0], "divisibleby's number", runtime) : 2;
    if (by == 0) runtime.fail("a division by 0");
    const bool divides = by == -1 || need_integer(value, "what is " + name, runtime) % by == 0;
    return divides == (name != "odd");
  }
  runtime.fail("the test " + name + " is not supported");
}

}  // namespace apportion::jinja
