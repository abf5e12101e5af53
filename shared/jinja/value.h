// Values of a template's expressions, as in Python: what they are, truth, equality, order and their text.
// Lists and dicts never change once made, so values share them. evaluator.h computes with values.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "shared/jinja/text.h"

namespace apportion::jinja {

class Value;
class Runtime;
struct Statement;

/// Something asked for that does not exist; `name` says what, for the error of whoever uses it.
struct Undefined {
  std::string name;
};

struct None {};

/// Elements one after another, and what kind Python would have made, which decides what can be done with
/// them.
struct Sequence {
  enum class Kind { list, tuple, range, view, generator };
  Kind kind;
  std::vector<Value> elements;
  mutable bool spent = false;  // a generator that was used up: it has no more elements
};

/// In the order that keys were first put in.
struct Mapping {
  std::vector<std::pair<Value, Value>> items;
  const Value* find(std::string_view key) const;
  const Value* find(const Value& key) const;
};

/// What namespace() makes: the one thing that a template can change.
struct Namespace {
  std::vector<std::pair<std::string, Value>> attributes;
};

/// `loop` inside a for.
struct Loop {
  std::shared_ptr<const Sequence> elements;
  size_t index0 = 0;
};

/// Anything that can be called: a function of the program's own or a method of a value, by name, or a macro.
struct Callable {
  std::string name;
  std::shared_ptr<const Value> self{};  // for a method
  const Statement* macro = nullptr;     // lives as long as the template
};

class Value {
 public:
  using SequencePointer = std::shared_ptr<const Sequence>;
  using MappingPointer = std::shared_ptr<const Mapping>;

  Value() : data_(Undefined{}) {}
  Value(Undefined undefined) : data_(std::move(undefined)) {}           // NOLINT(google-explicit-constructor)
  Value(None none) : data_(none) {}                                     // NOLINT(google-explicit-constructor)
  Value(Callable callable) : data_(std::move(callable)) {}              // NOLINT(google-explicit-constructor)
  Value(std::shared_ptr<Namespace> names) : data_(std::move(names)) {}  // NOLINT(google-explicit-constructor)
  Value(std::shared_ptr<Loop> loop) : data_(std::move(loop)) {}         // NOLINT(google-explicit-constructor)
  Value(MarkedText text)                                                // NOLINT(google-explicit-constructor)
      : data_(std::make_shared<const MarkedText>(std::move(text))) {}
  static Value boolean(bool value) { return Value(Data(value)); }
  static Value integer(int64_t value) { return Value(Data(value)); }
  static Value number(double value) { return Value(Data(value)); }
  static Value text(std::string_view text, Origin origin = Origin::template_text) {
    return MarkedText(text, origin);
  }
  /// Containers hold only plain values (`is_plain`), nested at most max_value_depth deep: the caller has
  /// checked.
  static Value sequence(Sequence::Kind kind, std::vector<Value> elements);
  static Value list(std::vector<Value> elements) {
    return sequence(Sequence::Kind::list, std::move(elements));
  }
  static Value mapping(std::vector<std::pair<Value, Value>> items);
  /// All strings in it get that origin; an object's keys are always template text.
  static Value from_json(const nlohmann::ordered_json& json, Origin origin);

  template <typename Type>
  const Type* get() const {
    return std::get_if<Type>(&data_);
  }
  bool is_undefined() const { return get<Undefined>() != nullptr; }
  bool is_none() const { return get<None>() != nullptr; }
  bool is_text() const { return as_text() != nullptr; }
  const MarkedText* as_text() const { return pointed<MarkedText>(); }
  const Sequence* as_sequence() const { return pointed<Sequence>(); }
  const Mapping* as_mapping() const { return pointed<Mapping>(); }
  Namespace* as_namespace() const;
  const Loop* as_loop() const;
  /// A whole number or, as in Python, a truth value.
  std::optional<int64_t> as_integer() const;
  /// Those, and numbers with a point.
  std::optional<double> as_number() const;

  /// What containers may hold: no namespaces, loops or functions, so that nothing can hold itself.
  bool is_plain() const;
  /// How deep its containers are nested, 0 for a value that is none.
  int depth() const { return depth_; }
  bool truth() const;
  /// Python's name of its type: "str", "list".
  std::string type_name() const;

 private:
  using Data =
      std::variant<Undefined, None, bool, int64_t, double, std::shared_ptr<const MarkedText>, SequencePointer,
                   MappingPointer, std::shared_ptr<Namespace>, std::shared_ptr<Loop>, Callable>;
  explicit Value(Data data) : data_(std::move(data)) {}
  template <typename Type>
  const Type* pointed() const {
    const auto* pointer = get<std::shared_ptr<const Type>>();
    return pointer == nullptr ? nullptr : pointer->get();
  }

  Data data_;
  int depth_ = 0;
};

/// The deepest nesting of containers.
constexpr int max_value_depth = 64;

/// Python's ==. Walks both, charging each step to `runtime`.
bool equal(const Value& left, const Value& right, Runtime& runtime);
/// Python's <, or nothing when it is not defined for the two.
std::optional<bool> less(const Value& left, const Value& right, Runtime& runtime);

/// str(value): a text is itself, with its marks; anything else has the mark of what is in it.
MarkedText text_of(const Value& value, Runtime& runtime);
/// As Python writes a number with a point: 1.0, 1e+16, 0.1.
std::string float_text(double value);

}  // namespace apportion::jinja
