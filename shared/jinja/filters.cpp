#include "shared/jinja/filters.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <map>

#include "shared/jinja/members.h"
#include "shared/jinja/predicates.h"

namespace apportion::jinja {
namespace {

/// json.dumps(value, ensure_ascii=False, indent=INDENT).
class JsonWriter : public CountedText {
 public:
  JsonWriter(Runtime& runtime, std::optional<int64_t> indent, bool sorts)
      : CountedText(runtime), indent_(indent), sorts_(sorts) {}

  void write(const Value& value, int64_t level = 0) {
    if (const MarkedText* text = value.as_text()) {
      note_origin(*text);
      write_text(text->str());
    } else if (value.is_none()) {
      add("null");
    } else if (const bool* truth = value.get<bool>()) {
      add(*truth ? "true" : "false");
    } else if (value.as_number()) {
      add(number(value));
    } else if (const Mapping* dict = value.as_mapping()) {
      write_items(*dict, level);
    } else {
      write_elements(value, level);
    }
  }

 private:
  std::string number(const Value& value) const {
    const double real = *value.as_number();
    if (value.get<double>() == nullptr) return std::to_string(*value.as_integer());
    if (std::isnan(real)) return "NaN";
    return std::isinf(real) ? (real < 0 ? "-Infinity" : "Infinity") : float_text(real);
  }

  void write_text(const std::string& text) {
    static constexpr std::string_view special = "\"\\\n\r\t\f\b", letters = "\"\\nrtfb";
    std::string quoted = "\"";
    for (char c : text) {
      if (const size_t at = special.find(c); at != std::string_view::npos) {
        quoted += '\\';
        quoted += letters[at];
      } else if (static_cast<unsigned char>(c) < 0x20) {
        char code[8];
        std::snprintf(code, sizeof(code), "\\u%04x", static_cast<unsigned>(static_cast<unsigned char>(c)));
        quoted += code;
      } else {
        quoted += c;
      }
    }
    add(quoted + "\"");
  }

  void break_line(int64_t level) {
    if (indent_) add("\n" + std::string(static_cast<size_t>(level * *indent_), ' '));
  }

  void separate(size_t i) {
    if (i > 0) add(indent_ ? "," : ", ");
  }

  void write_items(const Mapping& dict, int64_t level) {
    std::vector<std::pair<Value, Value>> items = dict.items;
    if (sorts_)
      std::stable_sort(items.begin(), items.end(), [&](const auto& a, const auto& b) {
        return compare("<", a.first, b.first, runtime_);
      });
    add("{");
    for (size_t i = 0; i < items.size(); ++i) {
      separate(i);
      break_line(level + 1);
      const Value& key = items[i].first;
      if (key.is_text()) {
        write(key);
      } else {  // a number, a truth value or none as a name
        add("\"");
        write(key);
        add("\"");
      }
      add(": ");
      write(items[i].second, level + 1);
    }
    if (!items.empty()) break_line(level);
    add("}");
  }

  void write_elements(const Value& value, int64_t level) {
    const Sequence* sequence = value.as_sequence();
    if (sequence == nullptr ||
        (sequence->kind != Sequence::Kind::list && sequence->kind != Sequence::Kind::tuple))
      runtime_.fail("a " + value.type_name() + " has no form in JSON");
    add("[");
    for (size_t i = 0; i < sequence->elements.size(); ++i) {
      separate(i);
      break_line(level + 1);
      write(sequence->elements[i], level + 1);
    }
    if (!sequence->elements.empty()) break_line(level);
    add("]");
  }

  std::optional<int64_t> indent_;
  bool sorts_;
};

Value tojson(const Value& value, const Arguments& arguments, Runtime& runtime) {
  const auto bound = arguments.bind({"ensure_ascii", "indent", "separators", "sort_keys"}, 0, runtime);
  auto is_given = [](const Value* argument) { return argument != nullptr && !argument->is_none(); };
  if (bound[0] != nullptr && bound[0]->truth()) runtime.fail("tojson with ensure_ascii is not supported");
  if (is_given(bound[2])) runtime.fail("tojson with separators is not supported");
  std::optional<int64_t> indent;
  if (is_given(bound[1]))
    indent = std::clamp<int64_t>(need_integer(*bound[1], "tojson's indent", runtime), 0, 100);
  JsonWriter writer(runtime, indent, bound[3] != nullptr && bound[3]->truth());
  writer.write(value);
  return writer.take();
}

/// value.a.b for the path "a.b"; whole numbers are positions.
Value by_path(const Value& value, const Value& path, Runtime& runtime) {
  if (path.as_integer()) return item_of(value, path, runtime);
  std::string rest = need_text(path, "the attribute of a filter", runtime).str();
  Value found = value;
  for (bool goes_on = true; goes_on;) {
    const size_t point = rest.find('.');
    const std::string name = rest.substr(0, point);
    int64_t number = 0;
    const auto read = std::from_chars(name.data(), name.data() + name.size(), number);
    const bool is_number = read.ec == std::errc() && read.ptr == name.data() + name.size() && number >= 0;
    found = item_of(found, is_number ? Value::integer(number) : Value::text(name), runtime);
    goes_on = point != std::string::npos;
    if (goes_on) rest.erase(0, point + 1);
  }
  return found;
}

Value join(const Value& value, const Arguments& arguments, Runtime& runtime) {
  const auto bound = arguments.bind({"d", "attribute"}, 0, runtime);
  const MarkedText separator = bound[0] == nullptr ? MarkedText() : text_of(*bound[0], runtime);
  MarkedText out;
  bool is_first = true;
  for (const Value& element : elements_of(value, runtime)) {
    const bool of_attribute = bound[1] != nullptr && !bound[1]->is_none();
    const MarkedText text = text_of(of_attribute ? by_path(element, *bound[1], runtime) : element, runtime);
    runtime.use_bytes(text.cost() + separator.cost());
    if (!is_first) out.append(separator);
    out.append(text);
    is_first = false;
  }
  return out;
}

/// The arguments after the first `skip`, for a test or filter that one of those names.
Arguments inner_arguments(const Arguments& arguments, size_t skip, const std::string& what) {
  Arguments inner{what};
  for (size_t i = skip; i < arguments.positional.size(); ++i)
    inner.positional.push_back(arguments.positional[i]);
  return inner;
}

/// The filters select, reject, selectattr and rejectattr.
Value select(const std::string& name, const Value& value, const Arguments& arguments, Runtime& runtime) {
  const bool by_attribute = name.ends_with("attr"), keeps = name.starts_with("select");
  const size_t skip = by_attribute ? 1 : 0;
  if (!arguments.named.empty()) runtime.fail("the filter " + name + " has no arguments with names here");
  if (arguments.positional.size() < skip)
    runtime.fail("the filter " + name + " needs the name of an attribute");
  std::string test;
  if (arguments.positional.size() > skip)
    test = need_text(arguments.positional[skip], "the test of " + name, runtime).str();
  const Arguments inner = inner_arguments(arguments, skip + 1, "the test " + test);
  std::vector<Value> kept;
  for (const Value& element : elements_of(value, runtime)) {
    const Value subject = by_attribute ? by_path(element, arguments.positional[0], runtime) : element;
    if ((test.empty() ? subject.truth() : holds(test, subject, inner, runtime)) == keeps)
      kept.push_back(element);
  }
  return make_sequence(Sequence::Kind::generator, std::move(kept), runtime);
}

Value map(const Value& value, const Arguments& arguments, Runtime& runtime) {
  std::vector<Value> mapped;
  if (arguments.positional.empty()) {
    const auto bound = arguments.bind({"attribute", "default"}, 1, runtime);
    for (const Value& element : elements_of(value, runtime)) {
      const Value found = by_path(element, *bound[0], runtime);
      const bool is_default = found.is_undefined() && bound[1] != nullptr;
      mapped.push_back(is_default ? *bound[1] : found);
    }
  } else {
    if (!arguments.named.empty()) runtime.fail("map of a filter has no arguments with names here");
    const std::string filter = need_text(arguments.positional[0], "the filter of map", runtime).str();
    if (filter == "map") runtime.fail("map inside of map is not supported");
    const Arguments inner = inner_arguments(arguments, 1, "the filter " + filter);
    for (const Value& element : elements_of(value, runtime))
      mapped.push_back(apply_filter(filter, element, inner, runtime));
  }
  return make_sequence(Sequence::Kind::generator, std::move(mapped), runtime);
}

Value dictsort(const Value& value, const Arguments& arguments, Runtime& runtime) {
  const auto bound = arguments.bind({"case_sensitive", "by", "reverse"}, 0, runtime);
  const Mapping* dict = value.as_mapping();
  if (dict == nullptr) runtime.fail("the filter dictsort is for a dict, not for a " + value.type_name());
  const bool minds_case = bound[0] != nullptr && bound[0]->truth(),
             turns = bound[2] != nullptr && bound[2]->truth();
  const std::string by = bound[1] == nullptr ? "key" : need_text(*bound[1], "dictsort's by", runtime).str();
  if (by != "key" && by != "value") runtime.fail("dictsort's by is " + by + "; key or value is expected");
  auto order = [&](const Value& item) {
    const Value& part = item.as_sequence()->elements[by == "key" ? 0 : 1];
    return part.is_text() && !minds_case ? Value(with_case(*part.as_text(), LetterCase::lower, runtime))
                                         : part;
  };
  std::vector<Value> items = elements_of(items_of(*dict, Sequence::Kind::list, runtime), runtime);
  std::stable_sort(items.begin(), items.end(), [&](const Value& a, const Value& b) {
    return turns ? compare("<", order(b), order(a), runtime) : compare("<", order(a), order(b), runtime);
  });
  return make_sequence(Sequence::Kind::list, std::move(items), runtime);
}

/// The number in a text that may have blanks around it, whole or with a point; nothing when it is none.
std::optional<double> number_in(const MarkedText& marked, std::optional<int64_t>& whole) {
  const std::string all = marked.str();
  const auto [from, to] = stripped(all);
  std::string_view text = std::string_view(all).substr(from, to - from);
  if (text.starts_with('+') && text.size() > 1 && text[1] != '-') text.remove_prefix(1);
  const char* end = text.data() + text.size();
  int64_t number = 0;
  if (const auto read = std::from_chars(text.data(), end, number); read.ec == std::errc() && read.ptr == end)
    whole = number;
  double real = 0;
  const auto read = std::from_chars(text.data(), end, real);
  if (read.ec != std::errc() || read.ptr != end) return {};
  return real;
}

/// The filters int and float: anything that is no number becomes the default.
Value to_number(const std::string& name, const Value& value, const Arguments& arguments, Runtime& runtime) {
  const bool is_whole = name == "int";
  const auto bound = arguments.bind({"default"}, 0, runtime);
  if (const auto* missing = value.get<Undefined>()) runtime.fail(missing->name + " is not defined");
  std::optional<int64_t> whole = value.as_integer();
  std::optional<double> real = value.is_text() ? number_in(*value.as_text(), whole) : value.as_number();
  if (!is_whole && real) return Value::number(*real);
  if (whole) return Value::integer(*whole);
  if (real && std::abs(*real) < 9e18) return Value::integer(static_cast<int64_t>(*real));
  if (bound[0] != nullptr) return *bound[0];
  return is_whole ? Value::integer(0) : Value::number(0);
}

Value end_of(const Value& value, bool is_first, Runtime& runtime) {
  if (!is_first && value.as_sequence() != nullptr && value.as_sequence()->kind == Sequence::Kind::generator)
    runtime.fail("the filter last is not for what another filter gives; `list` makes a list of it");
  const std::vector<Value> elements = elements_of(value, runtime);
  if (elements.empty()) return Undefined{is_first ? "the first of nothing" : "the last of nothing"};
  return is_first ? elements.front() : elements.back();
}

Value default_of(const Value& value, const Arguments& arguments, Runtime& runtime) {
  const auto bound = arguments.bind({"default_value", "boolean"}, 0, runtime);
  const bool minds_truth = bound[1] != nullptr && bound[1]->truth();
  if (!value.is_undefined() && (!minds_truth || value.truth())) return value;
  return bound[0] == nullptr ? Value::text("") : *bound[0];
}

Value items(const Value& value, const Arguments& arguments, Runtime& runtime) {
  arguments.bind({}, 0, runtime);
  if (value.is_undefined()) return make_sequence(Sequence::Kind::generator, {}, runtime);
  if (value.as_mapping() == nullptr)
    runtime.fail("the filter items is for a dict, not for a " + value.type_name());
  return items_of(*value.as_mapping(), Sequence::Kind::generator, runtime);
}

/// Jinja's own titles: a word begins after a blank, a hyphen or an opening bracket.
MarkedText title_of(const MarkedText& text, Runtime& runtime) {
  const std::string all = text.str();
  const Origin origin = text.origin();
  auto gap_at = [&](size_t at) {
    if (std::string_view("-({[<").find(all[at]) != std::string_view::npos) return size_t{1};
    return leading_space(std::string_view(all).substr(at, 4));
  };
  MarkedText out;
  for (size_t begin = 0, end = 0; begin < all.size(); begin = end) {
    while (end < all.size() && gap_at(end) == 0) ++end;
    out.append(with_case({all.substr(begin, end - begin), origin}, LetterCase::capital, runtime));
    for (begin = end; end < all.size() && gap_at(end) > 0;) end += gap_at(end);
    out.append(all.substr(begin, end - begin), origin);
  }
  return out;
}

/// Filters that work on the value's text.
std::optional<Value> text_filter(const std::string& name, const Value& value, const Arguments& arguments,
                                 Runtime& runtime) {
  static const std::map<std::string, LetterCase> cases = {
      {"upper", LetterCase::upper}, {"lower", LetterCase::lower}, {"capitalize", LetterCase::capital}};
  if (name == "trim") {
    const auto bound = arguments.bind({"chars"}, 0, runtime);
    const bool all = bound[0] == nullptr || bound[0]->is_none();
    const MarkedText* characters = all ? nullptr : &need_text(*bound[0], "trim's chars", runtime);
    return strip(text_of(value, runtime), characters, true, true, runtime);
  }
  if (name == "replace") {
    const auto bound = arguments.bind({"old", "new", "count"}, 2, runtime);
    const bool all = bound[2] == nullptr || bound[2]->is_none();
    const int64_t most = all ? -1 : need_integer(*bound[2], "replace's count", runtime);
    return replace(text_of(value, runtime), text_of(*bound[0], runtime), text_of(*bound[1], runtime), most,
                   runtime);
  }
  const auto letters = cases.find(name);
  if (letters == cases.end() && name != "string" && name != "safe" && name != "title") return {};
  arguments.bind({}, 0, runtime);
  if (letters != cases.end()) return with_case(text_of(value, runtime), letters->second, runtime);
  if (name != "title") return text_of(value, runtime);
  return title_of(text_of(value, runtime), runtime);
}

}  // namespace

Value apply_filter(const std::string& name, const Value& value, const Arguments& arguments,
                   Runtime& runtime) {
  if (std::optional<Value> text = text_filter(name, value, arguments, runtime)) return *text;
  if (name == "length" || name == "count" || name == "list" || name == "first" || name == "last") {
    arguments.bind({}, 0, runtime);
    if (name == "list") return make_sequence(Sequence::Kind::list, elements_of(value, runtime), runtime);
    if (name == "first" || name == "last") return end_of(value, name == "first", runtime);
    return Value::integer(length_of(value, runtime));
  }
  if (name == "default" || name == "d") return default_of(value, arguments, runtime);
  if (name == "join") return join(value, arguments, runtime);
  if (name == "int" || name == "float") return to_number(name, value, arguments, runtime);
  if (name == "items") return items(value, arguments, runtime);
  if (name == "dictsort") return dictsort(value, arguments, runtime);
  if (name == "map") return map(value, arguments, runtime);
  if (name == "select" || name == "reject" || name == "selectattr" || name == "rejectattr")
    return select(name, value, arguments, runtime);
  if (name == "tojson") return tojson(value, arguments, runtime);
  runtime.fail("the filter " + name + " is not supported");
}

}  // namespace apportion::jinja
