// The report as text for a terminal: at most 120 columns, except for paths. view/ decides what it shows.
#pragma once

#include <string>
#include <vector>

#include "coordinator/report/data/pivot.h"
#include "coordinator/report/data/report_data.h"
#include "coordinator/report/style.h"
#include "coordinator/report/view/table_view.h"

namespace apportion {

/// Heading, rule and rows, indented by two blanks.
std::string render_table(const Style& style, const TableView& table);

/// Cells in full.
std::string text_page(const std::string& directory, const Style& style, const std::vector<CellView>& cells);

/// Many cells, one line each; `--cell` shows one in full.
std::string text_page(const std::string& directory, const Style& style,
                      const std::vector<CellFigures>& cells);

/// The same, grouped by some of the swept keys.
std::string text_page(const std::string& directory, const Style& style, const Pivot& pivot,
                      const std::vector<CellFigures>& cells);

}  // namespace apportion
