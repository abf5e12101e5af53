// A template's filters: what follows |.
#pragma once

#include <string>

#include "shared/jinja/functions.h"
#include "shared/jinja/runtime.h"
#include "shared/jinja/value.h"

namespace apportion::jinja {

/// Puts `value` through the filter of that name (jinja.palletsprojects.com/templates, "List of Builtin
/// Filters"). Known are: trim, length and count, upper, lower, title, capitalize, replace, string, safe (the
/// text itself: nothing is escaped here), int, float, default and d, list, first, last, join, items,
/// dictsort, map, select, reject, selectattr, rejectattr, and tojson as transformers defines it.
Value apply_filter(const std::string& name, const Value& value, const Arguments& arguments, Runtime& runtime);

}  // namespace apportion::jinja
