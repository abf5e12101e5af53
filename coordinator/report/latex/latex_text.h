// LaTeX as pdfLaTeX, XeLaTeX and LuaLaTeX compile it with booktabs: texts and tables.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "coordinator/report/view/table_view.h"

namespace apportion {

/// `text` on one line, whose signs mean nothing to LaTeX. Letters that pdfLaTeX's fonts lack are
/// \anyletter (latex_page).
std::string latex_text(std::string_view text);

/// A `table` for each, with title and note as its caption, and above them what they need: a comment that
/// names the package, and \anyletter, which is the letter where the program has fonts for it and else its
/// number.
std::string latex_page(const std::vector<NotedTable>& tables);

}  // namespace apportion
