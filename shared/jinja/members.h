// What values have: attributes, elements, slices and methods, and whether they contain something. Also the
// operations on texts that filters share with methods.
#pragma once

#include <optional>
#include <string>

#include "shared/jinja/functions.h"
#include "shared/jinja/runtime.h"
#include "shared/jinja/value.h"

namespace apportion::jinja {

/// value.name as in Jinja: a method, else an attribute, else an element of that name, else undefined.
Value attribute_of(const Value& value, const std::string& name, Runtime& runtime);
/// value[key]: an element, else an attribute or method of that name, else undefined.
Value item_of(const Value& value, const Value& key, Runtime& runtime);
/// value[start:stop:step]; omitted parts are null.
Value slice_of(const Value& value, const Value* start, const Value* stop, const Value* step,
               Runtime& runtime);
/// element in container
bool contains(const Value& container, const Value& element, Runtime& runtime);

Value call_method(const Value& self, const std::string& name, const Arguments& arguments, Runtime& runtime);

/// The pairs (key, value), as a view or as a filter gives them.
Value items_of(const Mapping& dict, Sequence::Kind kind, Runtime& runtime);

enum class LetterCase { upper, lower, title, capital };
/// By Unicode's full mapping, as in Python's str methods.
MarkedText with_case(const MarkedText& text, LetterCase letters, Runtime& runtime);
/// Without white space, or without `characters`, at the chosen ends.
MarkedText strip(const MarkedText& text, const MarkedText* characters, bool left, bool right,
                 Runtime& runtime);
/// Replaces the first `most` places of `old` (all for -1) by `fresh`.
MarkedText replace(const MarkedText& text, const MarkedText& old, const MarkedText& fresh, int64_t most,
                   Runtime& runtime);

}  // namespace apportion::jinja
