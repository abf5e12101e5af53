// Markdown as GitHub and the Hugging Face hub read it (GFM): texts and tables.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "coordinator/report/view/table_view.h"

namespace apportion {

/// `text` on one line, so that it is read as nothing but text, in a cell of a table, too: no markup, no HTML,
/// nobody is told of an @name, and #12 names no issue.
std::string markdown_text(std::string_view text);

/// The table with its heading; what a column means is left to the text around it.
std::string markdown_table(const TableView& table);

/// Each table below its title, and its note behind it.
std::string markdown_page(const std::vector<NotedTable>& tables);

}  // namespace apportion
