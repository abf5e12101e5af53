#include "shared/jinja/runtime.h"

namespace apportion::jinja {

void Runtime::use_steps(size_t count) {
  if (count > static_cast<size_t>(left_.steps))
    fail("the template takes too many steps; does a loop in it never end?");
  left_.steps -= static_cast<int64_t>(count);
}

void Runtime::use_bytes(size_t count) {
  if (count > static_cast<size_t>(left_.bytes))
    fail("the template makes too much text; does a loop in it never end?");
  left_.bytes -= static_cast<int64_t>(count);
}

Runtime::Step::Step(Runtime& runtime, int line) : runtime_(runtime), line_before_(runtime.line_) {
  runtime_.line_ = line;
  runtime_.use_steps(1);
  if (runtime_.left_.depth == 0)
    runtime_.fail("the template's parts are nested too deeply; does a macro call itself?");
  --runtime_.left_.depth;
}

Runtime::Step::~Step() {
  ++runtime_.left_.depth;
  runtime_.line_ = line_before_;
}

void need_plain(const Value& value, const Runtime& runtime) {
  if (!value.is_plain())
    runtime.fail("a " + value.type_name() + " inside of a list, a dict or a namespace is not supported");
  if (value.depth() >= max_value_depth)
    runtime.fail("lists are nested more than " + std::to_string(max_value_depth) + " deep");
}

Value make_sequence(Sequence::Kind kind, std::vector<Value> elements, Runtime& runtime) {
  runtime.use_steps(elements.size());
  for (const Value& element : elements) need_plain(element, runtime);
  return Value::sequence(kind, std::move(elements));
}

Value make_mapping(const std::vector<std::pair<Value, Value>>& items, Runtime& runtime) {
  std::vector<std::pair<Value, Value>> kept;
  for (const auto& [key, value] : items) {
    if (!key.is_text() && !key.as_number() && !key.is_none())
      runtime.fail("a " + key.type_name() + " as the key of a dict is not supported");
    need_plain(value, runtime);
    runtime.use_steps(1 + kept.size());
    bool is_there = false;
    for (auto& [other, other_value] : kept) {
      if (!equal(key, other, runtime)) continue;
      other_value = value;
      is_there = true;
      break;
    }
    if (!is_there) kept.emplace_back(key, value);
  }
  return Value::mapping(std::move(kept));
}

std::vector<Value> elements_of(const Value& value, Runtime& runtime) {
  std::vector<Value> elements;
  if (value.is_undefined()) return elements;
  if (const Sequence* sequence = value.as_sequence()) {
    if (sequence->spent) return elements;
    sequence->spent = sequence->kind == Sequence::Kind::generator;
    runtime.use_steps(sequence->elements.size());
    return sequence->elements;
  }
  if (const Mapping* dict = value.as_mapping()) {
    runtime.use_steps(dict->items.size());
    for (const auto& item : dict->items) elements.push_back(item.first);
    return elements;
  }
  const MarkedText* text = value.as_text();
  if (text == nullptr)
    runtime.fail("a " + value.type_name() + " is nothing to go through; a list, a dict or a text is");
  runtime.use_steps(text->size());
  for (const TextPiece& piece : text->pieces()) {
    const std::vector<size_t> starts = character_starts(piece.text);
    for (size_t i = 0; i + 1 < starts.size(); ++i)
      elements.push_back(Value::text(
          std::string_view(piece.text).substr(starts[i], starts[i + 1] - starts[i]), piece.origin));
  }
  return elements;
}

int64_t length_of(const Value& value, Runtime& runtime) {
  if (value.is_undefined()) return 0;
  if (const MarkedText* text = value.as_text()) {
    runtime.use_steps(1 + text->size() / 64);
    return static_cast<int64_t>(character_starts(text->str()).size() - 1);
  }
  if (const Mapping* dict = value.as_mapping()) return static_cast<int64_t>(dict->items.size());
  const Sequence* sequence = value.as_sequence();
  if (sequence == nullptr || sequence->kind == Sequence::Kind::generator)
    runtime.fail("a " + value.type_name() + " has no length");
  return static_cast<int64_t>(sequence->elements.size());
}

const MarkedText& need_text(const Value& value, const std::string& what, const Runtime& runtime) {
  if (!value.is_text()) runtime.fail(what + " is of type " + value.type_name() + "; a text is expected");
  return *value.as_text();
}

int64_t need_integer(const Value& value, const std::string& what, const Runtime& runtime) {
  const auto whole = value.as_integer();
  if (!whole) runtime.fail(what + " is of type " + value.type_name() + "; a whole number is expected");
  return *whole;
}

std::optional<size_t> place_of(int64_t index, size_t size) {
  const auto count = static_cast<int64_t>(size);
  if (index >= count || index < -count) return {};
  return static_cast<size_t>(index < 0 ? index + count : index);
}

}  // namespace apportion::jinja
