// A template's statements: from its text to a tree. expression_parser.h parses expressions.
#pragma once

#include <string_view>
#include <vector>

#include "shared/jinja/tree.h"

namespace apportion::jinja {

/// Throws JinjaError for what is malformed, and for tags unknown here.
std::vector<Statement> parse(std::string_view source);

}  // namespace apportion::jinja
