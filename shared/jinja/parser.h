// A template's statements: from its text to a tree. Expressions are expression_parser.h's.
#pragma once

#include <string_view>
#include <vector>

#include "shared/jinja/tree.h"

namespace apportion::jinja {

/// Throws JinjaError for what is not well formed, and for tags that are not known here.
std::vector<Statement> parse(std::string_view source);

}  // namespace apportion::jinja
