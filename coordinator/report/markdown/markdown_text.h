// Markdown as GitHub and the Hugging Face hub read it (GFM): texts and tables.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "coordinator/report/view/table_view.h"

namespace apportion {

/// `text` on one line, escaped so that it reads as plain text even in a table cell: no markup, no HTML; @name
/// notifies nobody and #12 links to no issue.
std::string markdown_text(std::string_view text);

/// The table with its headings; the surrounding text explains the columns.
std::string markdown_table(const TableView& table);

/// Each table under its title, followed by its note.
std::string markdown_page(const std::vector<NotedTable>& tables);

}  // namespace apportion
