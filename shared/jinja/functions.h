// Functions that a template can call by name, and how arguments reach functions, methods, filters and tests.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "shared/jinja/runtime.h"
#include "shared/jinja/value.h"

namespace apportion::jinja {

/// What a call passes. `what` names the callee in errors: "the filter join".
struct Arguments {
  std::string what;
  std::vector<Value> positional{};
  std::vector<std::pair<std::string, Value>> named{};

  /// One pointer for each of `names`, null for a missing argument. Fails when there is one too many, one with
  /// another name, or when one of the first `required` is missing.
  std::vector<const Value*> bind(std::initializer_list<const char*> names, size_t required,
                                 const Runtime& runtime) const;
};

/// Whether every template knows a function of that name; strftime_now only when there is a date.
bool is_function(const std::string& name, const Runtime& runtime);

/// range, namespace, dict, raise_exception, strftime_now.
Value call_function(const std::string& name, const Arguments& arguments, Runtime& runtime);

}  // namespace apportion::jinja
