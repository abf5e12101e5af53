// The page's style sheet and its only script, as constants: light and dark colours with enough contrast, one
// column on a telephone, and rules for print.
#pragma once

#include <string>

namespace apportion {

extern const char* const page_style;

/// Sorts a table by the heading that is clicked. Without it tables keep their original order.
extern const char* const page_script;

/// A Content-Security-Policy under which nothing is fetched and no other script runs, no matter what a name
/// contains.
std::string page_policy();

}  // namespace apportion
