// A template's tests: what follows `is`, also in select and reject.
#pragma once

#include <string>

#include "shared/jinja/functions.h"
#include "shared/jinja/runtime.h"
#include "shared/jinja/value.h"

namespace apportion::jinja {

/// Whether the test of that name holds for `value` (jinja.palletsprojects.com/templates, "List of Builtin
/// Tests"). Known are: defined, undefined, none, boolean, true, false, integer, float, number, string,
/// mapping, sequence, iterable, callable, odd, even, divisibleby, in, upper, lower, and comparisons under all
/// of their names.
bool holds(const std::string& name, const Value& value, const Arguments& arguments, Runtime& runtime);

/// left NAME right, for ==, !=, <, <=, >, >=, in and not in.
bool compare(const std::string& name, const Value& left, const Value& right, Runtime& runtime);

}  // namespace apportion::jinja
