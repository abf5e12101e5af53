#include "shared/jinja/members.h"

#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <array>
#include <limits>
#include <set>

#include "shared/base/utf8.h"

namespace apportion::jinja {
namespace {

/// All methods of Python's type: those that are not known here are an error, not just undefined.
const std::set<std::string>& python_methods(const Value& value) {
  static const std::set<std::string> of_text = {
      "capitalize", "casefold",     "center",       "count",   "encode",     "endswith",    "expandtabs",
      "find",       "format",       "format_map",   "index",   "isalnum",    "isalpha",     "isascii",
      "isdecimal",  "isdigit",      "isidentifier", "islower", "isnumeric",  "isprintable", "isspace",
      "istitle",    "isupper",      "join",         "ljust",   "lower",      "lstrip",      "maketrans",
      "partition",  "removeprefix", "removesuffix", "replace", "rfind",      "rindex",      "rjust",
      "rpartition", "rsplit",       "rstrip",       "split",   "splitlines", "startswith",  "strip",
      "swapcase",   "title",        "translate",    "upper",   "zfill"};
  static const std::set<std::string> of_dict = {"clear", "copy",    "fromkeys",   "get",    "items", "keys",
                                                "pop",   "popitem", "setdefault", "update", "values"};
  static const std::set<std::string> of_list = {"append", "clear", "copy",   "count",   "extend", "index",
                                                "insert", "pop",   "remove", "reverse", "sort"};
  static const std::set<std::string> none;
  if (value.is_text()) return of_text;
  if (value.as_mapping() != nullptr) return of_dict;
  return value.as_sequence() != nullptr && value.as_sequence()->kind == Sequence::Kind::list ? of_list : none;
}

/// The method of that name, or nothing when Python has none.
std::optional<Value> method_of(const Value& value, const std::string& name, const Runtime& runtime) {
  static const std::set<std::string> known_of_text = {"strip",      "lstrip",     "rstrip", "split",
                                                      "startswith", "endswith",   "upper",  "lower",
                                                      "title",      "capitalize", "replace"};
  static const std::set<std::string> known_of_dict = {"get", "items", "keys", "values"};
  if (!python_methods(value).contains(name)) return {};
  const bool is_known = value.is_text() ? known_of_text.contains(name)
                                        : value.as_mapping() != nullptr && known_of_dict.contains(name);
  if (!is_known) runtime.fail("the method " + name + " of a " + value.type_name() + " is not supported");
  return Callable{name, std::make_shared<const Value>(value)};
}

Value undefined(const std::string& what, const Value& of) {
  return Undefined{what + " of a " + of.type_name()};
}

Value loop_attribute(const Value& value, const std::string& name) {
  const Loop& loop = *value.as_loop();
  const std::vector<Value>& elements = loop.elements->elements;
  auto number = [](size_t count) { return Value::integer(static_cast<int64_t>(count)); };
  if (name == "index") return number(loop.index0 + 1);
  if (name == "index0") return number(loop.index0);
  if (name == "length") return number(elements.size());
  if (name == "revindex") return number(elements.size() - loop.index0);
  if (name == "revindex0") return number(elements.size() - loop.index0 - 1);
  if (name == "first") return Value::boolean(loop.index0 == 0);
  if (name == "last") return Value::boolean(loop.index0 + 1 == elements.size());
  if (name == "previtem" && loop.index0 > 0) return elements[loop.index0 - 1];
  if (name == "nextitem" && loop.index0 + 1 < elements.size()) return elements[loop.index0 + 1];
  return undefined(name, value);
}

/// What both value.name and value["name"] find when it is no key of a dict.
std::optional<Value> plain_attribute(const Value& value, const std::string& name, const Runtime& runtime) {
  if (value.as_loop() != nullptr) {
    if (name == "cycle" || name == "changed" || name.starts_with("depth"))
      runtime.fail("loop." + name + " is not supported");
    return loop_attribute(value, name);
  }
  if (const Namespace* names = value.as_namespace()) {
    for (const auto& [key, attribute] : names->attributes) {
      if (key == name) return attribute;
    }
    return {};
  }
  if (name.starts_with("__")) runtime.fail("the attribute " + name + " is not supported");
  return method_of(value, name, runtime);
}

/// Fails when the value is undefined.
void need_defined(const Value& value, const Runtime& runtime) {
  if (const auto* missing = value.get<Undefined>()) runtime.fail(missing->name + " is not defined");
}

std::string key_in_words(const Value& key) {
  if (key.is_text()) return storable_text(key.as_text()->str().substr(0, 60));
  const auto whole = key.as_integer();
  return whole ? "element " + std::to_string(*whole) : "an element";
}

/// The places that a slice takes, as in Python's slice.indices.
std::vector<size_t> slice_places(size_t size, const Value* start, const Value* stop, const Value* step,
                                 Runtime& runtime) {
  auto given = [&](const Value* value) { return value != nullptr && !value->is_none(); };
  auto number = [&](const Value* value) { return need_integer(*value, "a part of a slice", runtime); };
  const int64_t by = given(step) ? number(step) : 1, count = static_cast<int64_t>(size);
  if (by == 0) runtime.fail("a slice has steps of 0");
  if (by == std::numeric_limits<int64_t>::min()) runtime.fail("a slice's step does not fit");
  const int64_t low = by > 0 ? 0 : -1, high = by > 0 ? count : count - 1;
  auto bound = [&](const Value* value, int64_t otherwise) {
    if (!given(value)) return otherwise;
    const int64_t index = number(value);
    if (index >= 0) return std::min(index, high);
    return index < -count ? low : index + count;
  };
  const int64_t first = bound(start, by > 0 ? low : high), last = bound(stop, by > 0 ? high : low);
  std::vector<size_t> places;
  for (int64_t at = first; by > 0 ? at < last : at > last;) {
    places.push_back(static_cast<size_t>(at));
    if (by > 0 ? at > count - by : at < -by) break;
    at += by;
  }
  runtime.use_steps(places.size());
  return places;
}

MarkedText slice_of_text(const MarkedText& text, const Value* start, const Value* stop, const Value* step,
                         Runtime& runtime) {
  runtime.use_bytes(2 * text.cost());
  const std::vector<size_t> starts = character_starts(text.str());
  const std::vector<size_t> places = slice_places(starts.size() - 1, start, stop, step, runtime);
  if (places.empty()) return {};
  if (places.back() - places.front() + 1 == places.size() && places.front() <= places.back())
    return text.slice(starts[places.front()], starts[places.back() + 1]);
  MarkedText out;
  for (size_t place : places) {
    runtime.use_steps(text.pieces().size());
    out.append(text.slice(starts[place], starts[place + 1]));
  }
  return out;
}

/// The characters of a text that must be UTF-8, for mapping letters.
icu::UnicodeString letters_of(const std::string& text, const Runtime& runtime) {
  if (!is_utf8(text)) runtime.fail("the case of letters in a text that is not UTF-8 cannot be changed");
  return icu::UnicodeString::fromUTF8(text);
}

icu::UnicodeString title_letters(const icu::UnicodeString& letters, bool every_word) {
  icu::UnicodeString out;
  bool is_inside = false;
  for (int32_t at = 0; at < letters.length(); at = letters.moveIndex32(at, 1)) {
    icu::UnicodeString one(letters.char32At(at));
    if (is_inside) {
      one.toLower(icu::Locale::getRoot());
    } else {
      one.toTitle(nullptr, icu::Locale::getRoot());
    }
    out += one;
    is_inside = !every_word || u_hasBinaryProperty(letters.char32At(at), UCHAR_CASED) != 0;
  }
  return out;
}

/// The first `most` places of `part` in `text` (all for -1).
std::vector<size_t> places_in(const std::string& text, const std::string& part, int64_t most,
                              Runtime& runtime) {
  std::vector<size_t> places;
  for (size_t at = text.find(part); at != std::string::npos && static_cast<int64_t>(places.size()) != most;
       at = text.find(part, at + part.size()))
    places.push_back(at);
  runtime.use_steps(places.size() + text.size() / 64);
  return places;
}

Value split_at_spaces(const MarkedText& marked, int64_t most, Runtime& runtime) {
  const std::string text = marked.str();
  std::string_view rest = text;
  std::vector<Value> words;
  while (true) {
    rest.remove_prefix(leading_space(rest));
    if (rest.empty()) break;
    const size_t begin = text.size() - rest.size();
    size_t size = 0;
    if (static_cast<int64_t>(words.size()) == most) {
      size = rest.size();  // blanks at its end stay, as in Python
    } else {
      while (size < rest.size() && leading_space(rest.substr(size, 4)) == 0) ++size;
    }
    runtime.use_steps(1 + size / 16 + marked.pieces().size());
    words.emplace_back(marked.slice(begin, begin + size));
    if (static_cast<int64_t>(words.size()) > most && most >= 0) break;
    rest.remove_prefix(size);
  }
  return make_sequence(Sequence::Kind::list, std::move(words), runtime);
}

Value split(const MarkedText& text, const Arguments& arguments, Runtime& runtime) {
  const auto bound = arguments.bind({"sep", "maxsplit"}, 0, runtime);
  runtime.use_bytes(2 * text.cost());
  const int64_t most = bound[1] == nullptr ? -1 : need_integer(*bound[1], "split's maxsplit", runtime);
  if (bound[0] == nullptr || bound[0]->is_none()) return split_at_spaces(text, most, runtime);
  const std::string separator = need_text(*bound[0], "split's separator", runtime).str();
  if (separator.empty()) runtime.fail("split has an empty separator");
  std::vector<Value> parts;
  size_t begin = 0;
  for (size_t place : places_in(text.str(), separator, most, runtime)) {
    runtime.use_steps(text.pieces().size());
    parts.emplace_back(text.slice(begin, place));
    begin = place + separator.size();
  }
  parts.emplace_back(text.slice(begin, text.size()));
  return make_sequence(Sequence::Kind::list, std::move(parts), runtime);
}

/// startswith and endswith, for one text or a tuple of them.
bool has_at_end(const MarkedText& marked, bool at_start, const Arguments& arguments, Runtime& runtime) {
  const auto bound = arguments.bind({"prefix"}, 1, runtime);
  const std::string text = marked.str();
  runtime.use_bytes(text.size());
  auto has = [&](const Value& part) {
    const std::string wanted = need_text(part, "an argument of " + arguments.what, runtime).str();
    return at_start ? text.starts_with(wanted) : text.ends_with(wanted);
  };
  const Sequence* several = bound[0]->as_sequence();
  if (several == nullptr || several->kind != Sequence::Kind::tuple) return has(*bound[0]);
  return std::any_of(several->elements.begin(), several->elements.end(), has);
}

Value text_method(const MarkedText& text, const std::string& name, const Arguments& arguments,
                  Runtime& runtime) {
  if (name == "split") return split(text, arguments, runtime);
  if (name == "startswith" || name == "endswith")
    return Value::boolean(has_at_end(text, name == "startswith", arguments, runtime));
  if (name == "replace") {
    const auto bound = arguments.bind({"old", "new", "count"}, 2, runtime);
    const int64_t most = bound[2] == nullptr ? -1 : need_integer(*bound[2], "replace's count", runtime);
    return replace(text, need_text(*bound[0], "replace's old", runtime),
                   need_text(*bound[1], "replace's new", runtime), most, runtime);
  }
  if (name.ends_with("strip")) {
    const auto bound = arguments.bind({"chars"}, 0, runtime);
    const bool all = bound[0] == nullptr || bound[0]->is_none();
    const MarkedText* characters = all ? nullptr : &need_text(*bound[0], "an argument of " + name, runtime);
    return strip(text, characters, name != "rstrip", name != "lstrip", runtime);
  }
  arguments.bind({}, 0, runtime);
  return with_case(text,
                   name == "upper"   ? LetterCase::upper
                   : name == "lower" ? LetterCase::lower
                   : name == "title" ? LetterCase::title
                                     : LetterCase::capital,
                   runtime);
}

Value dict_method(const Mapping& dict, const std::string& name, const Arguments& arguments,
                  Runtime& runtime) {
  if (name == "get") {
    const auto bound = arguments.bind({"key", "default"}, 1, runtime);
    runtime.use_steps(dict.items.size());
    const Value* found = dict.find(*bound[0]);
    if (found != nullptr) return *found;
    return bound[1] == nullptr ? Value(None{}) : *bound[1];
  }
  arguments.bind({}, 0, runtime);
  if (name == "items") return items_of(dict, Sequence::Kind::view, runtime);
  std::vector<Value> elements;
  for (const auto& [key, value] : dict.items) elements.push_back(name == "keys" ? key : value);
  return make_sequence(Sequence::Kind::view, std::move(elements), runtime);
}

}  // namespace

Value attribute_of(const Value& value, const std::string& name, Runtime& runtime) {
  need_defined(value, runtime);
  if (std::optional<Value> found = plain_attribute(value, name, runtime)) return *found;
  if (const Mapping* dict = value.as_mapping()) {
    runtime.use_steps(dict->items.size());
    if (const Value* found = dict->find(name)) return *found;
  }
  return undefined(name, value);
}

Value item_of(const Value& value, const Value& key, Runtime& runtime) {
  need_defined(value, runtime);
  const Sequence* sequence = value.as_sequence();
  const bool has_places = sequence != nullptr && sequence->kind != Sequence::Kind::view &&
                          sequence->kind != Sequence::Kind::generator;
  if (const Mapping* dict = value.as_mapping()) {
    runtime.use_steps(dict->items.size());
    if (const Value* found = dict->find(key)) return *found;
  } else if (has_places && key.as_integer()) {
    if (const auto place = place_of(*key.as_integer(), sequence->elements.size()))
      return sequence->elements[*place];
  } else if (value.is_text() && key.as_integer()) {
    runtime.use_bytes(2 * value.as_text()->cost());
    const std::vector<size_t> starts = character_starts(value.as_text()->str());
    if (const auto place = place_of(*key.as_integer(), starts.size() - 1))
      return value.as_text()->slice(starts[*place], starts[*place + 1]);
  }
  if (key.is_text()) {
    if (std::optional<Value> found = plain_attribute(value, key.as_text()->str(), runtime)) return *found;
  }
  return undefined(key_in_words(key), value);
}

Value slice_of(const Value& value, const Value* start, const Value* stop, const Value* step,
               Runtime& runtime) {
  need_defined(value, runtime);
  if (const MarkedText* text = value.as_text()) return slice_of_text(*text, start, stop, step, runtime);
  const Sequence* sequence = value.as_sequence();
  if (sequence == nullptr || sequence->kind == Sequence::Kind::view ||
      sequence->kind == Sequence::Kind::generator)
    runtime.fail("a " + value.type_name() + " cannot be sliced");
  std::vector<Value> elements;
  for (size_t place : slice_places(sequence->elements.size(), start, stop, step, runtime))
    elements.push_back(sequence->elements[place]);
  return make_sequence(sequence->kind, std::move(elements), runtime);
}

bool contains(const Value& container, const Value& element, Runtime& runtime) {
  if (const MarkedText* text = container.as_text()) {
    const std::string part = need_text(element, "what is looked for in a text", runtime).str();
    runtime.use_bytes(text->size() + part.size());
    return text->str().find(part) != std::string::npos;
  }
  if (const Mapping* dict = container.as_mapping()) {
    runtime.use_steps(dict->items.size());
    return dict->find(element) != nullptr;
  }
  const std::vector<Value> elements = elements_of(container, runtime);
  return std::any_of(elements.begin(), elements.end(),
                     [&](const Value& other) { return equal(element, other, runtime); });
}

Value call_method(const Value& self, const std::string& name, const Arguments& arguments, Runtime& runtime) {
  if (const MarkedText* text = self.as_text()) return text_method(*text, name, arguments, runtime);
  ensure(self.as_mapping() != nullptr, "only texts and dicts have methods");
  return dict_method(*self.as_mapping(), name, arguments, runtime);
}

Value items_of(const Mapping& dict, Sequence::Kind kind, Runtime& runtime) {
  std::vector<Value> pairs;
  for (const auto& [key, value] : dict.items)
    pairs.push_back(make_sequence(Sequence::Kind::tuple, {key, value}, runtime));
  return make_sequence(kind, std::move(pairs), runtime);
}

MarkedText with_case(const MarkedText& text, LetterCase letters, Runtime& runtime) {
  runtime.use_bytes(6 * text.size());
  icu::UnicodeString all = letters_of(text.str(), runtime);
  if (letters == LetterCase::upper) {
    all.toUpper(icu::Locale::getRoot());
  } else if (letters == LetterCase::lower) {
    all.toLower(icu::Locale::getRoot());
  } else {
    runtime.use_steps(text.size());
    all = title_letters(all, letters == LetterCase::title);
  }
  std::string out;
  all.toUTF8String(out);
  return {out, text.origin()};
}

MarkedText strip(const MarkedText& text, const MarkedText* characters, bool left, bool right,
                 Runtime& runtime) {
  runtime.use_bytes(2 * text.cost());
  const std::string all = text.str();
  if (characters == nullptr) {
    const size_t begin = left ? leading_space(all) : 0;
    const size_t rest = all.size() - begin;
    return text.slice(begin,
                      begin + rest - (right ? trailing_space(std::string_view(all).substr(begin)) : 0));
  }
  const std::string wanted = characters->str();
  const std::vector<size_t> marks = character_starts(wanted), starts = character_starts(all);
  std::set<std::string_view> set;
  for (size_t i = 0; i + 1 < marks.size(); ++i)
    set.insert(std::string_view(wanted).substr(marks[i], marks[i + 1] - marks[i]));
  auto goes = [&](size_t i) {
    return set.contains(std::string_view(all).substr(starts[i], starts[i + 1] - starts[i]));
  };
  size_t begin = 0, end = starts.size() - 1;
  while (left && begin < end && goes(begin)) ++begin;
  while (right && begin < end && goes(end - 1)) --end;
  return text.slice(starts[begin], starts[end]);
}

MarkedText replace(const MarkedText& text, const MarkedText& old, const MarkedText& fresh, int64_t most,
                   Runtime& runtime) {
  if (old.empty()) runtime.fail("an empty text to replace is not supported");
  runtime.use_bytes(text.size());
  const std::string all = text.str(), part = fresh.str();
  const std::vector<size_t> places = places_in(all, old.str(), most, runtime);
  if (places.empty()) return text;
  runtime.use_bytes(all.size());
  std::string out;
  size_t begin = 0;
  for (size_t place : places) {
    runtime.use_bytes(part.size());
    out.append(all, begin, place - begin).append(part);
    begin = place + old.size();
  }
  out.append(all, begin);
  const bool is_input = text.origin() == Origin::input || fresh.origin() == Origin::input;
  return {out, is_input ? Origin::input : Origin::template_text};
}

}  // namespace apportion::jinja
