#include "shared/jinja/value.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "shared/jinja/runtime.h"

namespace apportion::jinja {
namespace {

/// Whether texts are equal, whoever wrote them.
bool same_text(const MarkedText& left, const MarkedText& right, Runtime& runtime) {
  if (left.size() != right.size()) return false;
  runtime.use_steps(left.size() / 64);
  return left.str() == right.str();
}

bool same_elements(const Sequence& left, const Sequence& right, Runtime& runtime) {
  if (&left == &right) return true;
  if (left.kind != right.kind || left.kind == Sequence::Kind::view || left.kind == Sequence::Kind::generator)
    return false;
  return std::equal(left.elements.begin(), left.elements.end(), right.elements.begin(), right.elements.end(),
                    [&](const Value& a, const Value& b) { return equal(a, b, runtime); });
}

bool same_items(const Mapping& left, const Mapping& right, Runtime& runtime) {
  if (left.items.size() != right.items.size()) return false;
  for (const auto& [key, value] : left.items) {
    runtime.use_steps(right.items.size());
    const Value* other = right.find(key);
    if (other == nullptr || !equal(value, *other, runtime)) return false;
  }
  return true;
}

/// The order of two numbers, whole or with a point; nothing when one is not a number at all.
std::optional<std::partial_ordering> order_of_numbers(const Value& left, const Value& right) {
  if (left.as_integer() && right.as_integer()) return *left.as_integer() <=> *right.as_integer();
  if (left.as_number() && right.as_number()) return *left.as_number() <=> *right.as_number();
  return {};
}

/// Python's str.isprintable for one character.
bool is_printable(UChar32 character) {
  if (character == ' ') return true;
  constexpr uint32_t not_printable = U_GC_C_MASK | U_GC_Z_MASK;
  return (U_GET_GC_MASK(character) & not_printable) == 0;
}

std::string escaped(UChar32 character) {
  char text[16];
  const auto code = static_cast<unsigned>(character);
  std::snprintf(text, sizeof(text), code < 0x100 ? "\\x%02x" : code < 0x10000 ? "\\u%04x" : "\\U%08x", code);
  return text;
}

/// repr() of a text: in single quotes, unless it has single quotes and no double ones.
std::string quoted(const std::string& text, const Runtime& runtime) {
  const bool has_single = text.find('\'') != std::string::npos;
  const char quote = has_single && text.find('"') == std::string::npos ? '"' : '\'';
  std::string out(1, quote);
  for (int32_t at = 0, size = static_cast<int32_t>(text.size()); at < size;) {
    const int32_t begin = at;
    UChar32 character = 0;
    U8_NEXT(text.data(), at, size, character);
    if (character < 0) runtime.fail("a list or dict with a text that is not UTF-8 cannot be written out");
    if (character == '\\' || character == quote) {
      out += '\\';
      out += static_cast<char>(character);
    } else if (character == '\n' || character == '\r' || character == '\t') {
      out += character == '\n' ? "\\n" : character == '\r' ? "\\r" : "\\t";
    } else if (is_printable(character)) {
      out.append(text, static_cast<size_t>(begin), static_cast<size_t>(at - begin));
    } else {
      out += escaped(character);
    }
  }
  return out += quote;
}

/// Writes what is inside lists and dicts, and notes whether any of it is a user's.
class ReprWriter : public CountedText {
 public:
  explicit ReprWriter(Runtime& runtime) : CountedText(runtime) {}

  void write(const Value& value) {
    if (const MarkedText* text = value.as_text()) {
      note_origin(*text);
      runtime_.use_bytes(4 * text->size());
      add(quoted(text->str(), runtime_));
    } else if (const Mapping* dict = value.as_mapping()) {
      write_items(*dict);
    } else if (const Sequence* sequence = value.as_sequence()) {
      write_elements(*sequence, value);
    } else if (value.is_undefined()) {
      add("Undefined");
    } else {
      add(text_of(value, runtime_).str());
    }
  }

 private:
  void write_items(const Mapping& dict) {
    add("{");
    for (size_t i = 0; i < dict.items.size(); ++i) {
      if (i > 0) add(", ");
      write(dict.items[i].first);
      add(": ");
      write(dict.items[i].second);
    }
    add("}");
  }

  void write_elements(const Sequence& sequence, const Value& value) {
    const bool is_tuple = sequence.kind == Sequence::Kind::tuple;
    if (!is_tuple && sequence.kind != Sequence::Kind::list)
      runtime_.fail("a " + value.type_name() + " has no text here; `list` makes a list of it, `join` a text");
    add(is_tuple ? "(" : "[");
    for (size_t i = 0; i < sequence.elements.size(); ++i) {
      if (i > 0) add(", ");
      write(sequence.elements[i]);
    }
    add(!is_tuple ? "]" : sequence.elements.size() == 1 ? ",)" : ")");
  }
};

}  // namespace

const Value* Mapping::find(std::string_view key) const {
  for (const auto& [name, value] : items) {
    if (name.is_text() && name.as_text()->size() == key.size() && name.as_text()->str() == key) return &value;
  }
  return nullptr;
}

const Value* Mapping::find(const Value& key) const {
  if (key.is_text()) return find(key.as_text()->str());
  for (const auto& [name, value] : items) {
    if ((name.is_none() && key.is_none()) || order_of_numbers(name, key) == std::partial_ordering::equivalent)
      return &value;
  }
  return nullptr;
}

Value Value::sequence(Sequence::Kind kind, std::vector<Value> elements) {
  int depth = 0;
  for (const Value& element : elements) depth = std::max(depth, element.depth());
  Value value{Data(std::make_shared<const Sequence>(Sequence{kind, std::move(elements)}))};
  value.depth_ = depth + 1;
  return value;
}

Value Value::mapping(std::vector<std::pair<Value, Value>> items) {
  int depth = 0;
  for (const auto& item : items) depth = std::max(depth, item.second.depth());
  Value value{Data(std::make_shared<const Mapping>(Mapping{std::move(items)}))};
  value.depth_ = depth + 1;
  return value;
}

Value Value::from_json(const nlohmann::ordered_json& json, Origin origin) {
  if (json.is_null()) return None{};
  if (json.is_boolean()) return boolean(json.get<bool>());
  if (json.is_number_integer()) return integer(json.get<int64_t>());
  if (json.is_number()) return number(json.get<double>());
  if (json.is_string()) return text(json.get_ref<const std::string&>(), origin);
  if (json.is_array()) {
    std::vector<Value> elements;
    for (const auto& element : json) elements.push_back(from_json(element, origin));
    return list(std::move(elements));
  }
  std::vector<std::pair<Value, Value>> items;
  for (const auto& [key, element] : json.items()) items.emplace_back(text(key), from_json(element, origin));
  return mapping(std::move(items));
}

Namespace* Value::as_namespace() const {
  const auto* pointer = get<std::shared_ptr<Namespace>>();
  return pointer == nullptr ? nullptr : pointer->get();
}

const Loop* Value::as_loop() const {
  const auto* pointer = get<std::shared_ptr<Loop>>();
  return pointer == nullptr ? nullptr : pointer->get();
}

std::optional<int64_t> Value::as_integer() const {
  if (const bool* truth_value = get<bool>()) return *truth_value ? 1 : 0;
  if (const int64_t* whole = get<int64_t>()) return *whole;
  return {};
}

std::optional<double> Value::as_number() const {
  if (const double* real = get<double>()) return *real;
  if (const auto whole = as_integer()) return static_cast<double>(*whole);
  return {};
}

bool Value::is_plain() const {
  return as_namespace() == nullptr && as_loop() == nullptr && get<Callable>() == nullptr;
}

bool Value::truth() const {
  if (is_undefined() || is_none()) return false;
  if (const auto real = as_number()) return *real != 0;
  if (const MarkedText* marked = as_text()) return !marked->empty();
  if (const Mapping* dict = as_mapping()) return !dict->items.empty();
  const Sequence* elements = as_sequence();
  return elements == nullptr || elements->kind == Sequence::Kind::generator || !elements->elements.empty();
}

std::string Value::type_name() const {
  static constexpr const char* of_sequences[] = {"list", "tuple", "range", "dict view", "generator"};
  if (is_undefined()) return "Undefined";
  if (is_none()) return "NoneType";
  if (get<bool>() != nullptr) return "bool";
  if (get<int64_t>() != nullptr) return "int";
  if (get<double>() != nullptr) return "float";
  if (is_text()) return "str";
  if (as_mapping() != nullptr) return "dict";
  if (const Sequence* elements = as_sequence()) return of_sequences[static_cast<size_t>(elements->kind)];
  return as_namespace() != nullptr ? "Namespace" : as_loop() != nullptr ? "loop" : "function";
}

bool equal(const Value& left, const Value& right, Runtime& runtime) {
  runtime.use_steps(1);
  if (const auto order = order_of_numbers(left, right)) return *order == std::partial_ordering::equivalent;
  if (left.is_text() && right.is_text()) return same_text(*left.as_text(), *right.as_text(), runtime);
  if (left.as_sequence() != nullptr && right.as_sequence() != nullptr)
    return same_elements(*left.as_sequence(), *right.as_sequence(), runtime);
  if (left.as_mapping() != nullptr && right.as_mapping() != nullptr)
    return same_items(*left.as_mapping(), *right.as_mapping(), runtime);
  if (left.as_namespace() != nullptr) return left.as_namespace() == right.as_namespace();
  return (left.is_none() && right.is_none()) || (left.is_undefined() && right.is_undefined());
}

std::optional<bool> less(const Value& left, const Value& right, Runtime& runtime) {
  runtime.use_steps(1);
  if (const auto order = order_of_numbers(left, right)) return *order == std::partial_ordering::less;
  if (!left.is_text() || !right.is_text()) return {};
  // Bytes of UTF-8 are in the order of their code points, which is Python's.
  runtime.use_steps(std::min(left.as_text()->size(), right.as_text()->size()) / 64);
  return left.as_text()->str() < right.as_text()->str();
}

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  // The fewest digits that read back as the same number, as in Python, and the point where Python puts it.
  std::array<char, 40> digits{};
  const auto end = std::to_chars(digits.begin(), digits.end(), value, std::chars_format::scientific).ptr;
  std::string text(digits.begin(), end);
  const size_t mark = text.find('e');
  const int exponent = std::stoi(text.substr(mark + 1));
  if (exponent < -4 || exponent >= 16) return text;
  std::string fixed(350, '\0');
  const auto last =
      std::to_chars(fixed.data(), fixed.data() + fixed.size(), value, std::chars_format::fixed).ptr;
  fixed.resize(static_cast<size_t>(last - fixed.data()));
  return fixed.find('.') == std::string::npos ? fixed + ".0" : fixed;
}

MarkedText text_of(const Value& value, Runtime& runtime) {
  auto plain = [](const std::string& text) { return MarkedText(text, Origin::template_text); };
  if (const MarkedText* text = value.as_text()) return *text;
  if (value.is_undefined()) return {};
  if (value.is_none()) return plain("None");
  if (const bool* truth = value.get<bool>()) return plain(*truth ? "True" : "False");
  if (const int64_t* whole = value.get<int64_t>()) return plain(std::to_string(*whole));
  if (const double* real = value.get<double>()) return plain(float_text(*real));
  if (!value.is_plain()) runtime.fail("a " + value.type_name() + " has no text here");
  ReprWriter writer(runtime);
  writer.write(value);
  return writer.take();
}

}  // namespace apportion::jinja
