// The page's style sheet and its one script, as constant texts: colours for light and dark with enough
// contrast, one column on a telephone, and paper.
#pragma once

#include <string>

namespace apportion {

extern const char* const page_style;

/// Sorts a table by the heading that is clicked. Without it every table is in its own order.
extern const char* const page_script;

/// A Content-Security-Policy under which nothing is fetched and no other script runs, whatever a name holds.
std::string page_policy();

}  // namespace apportion
