// Texts and tables in LaTeX that compiles with pdfLaTeX, XeLaTeX and LuaLaTeX; it needs booktabs and
// graphicx.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "coordinator/report/view/table_view.h"

namespace apportion {

/// `text` on one line, with LaTeX's special characters escaped. Letters that pdfLaTeX's fonts lack become
/// \anyletter (latex_page).
std::string latex_text(std::string_view text);

/// A `table` for each, with title and note as its caption. Above them stands what they need: a comment that
/// names the package, and the definition of \anyletter, which sets the letter if the compiler has fonts for
/// it and else its number.
std::string latex_page(const std::vector<NotedTable>& tables);

}  // namespace apportion
