// The report as text for a terminal: at most 120 columns but for paths. What is shown is the view's.
#pragma once

#include <string>
#include <vector>

#include "coordinator/report/data/pivot.h"
#include "coordinator/report/data/report_data.h"
#include "coordinator/report/style.h"
#include "coordinator/report/view/table_view.h"

namespace apportion {

/// With a heading, rule and rows, two blanks in front.
std::string render_table(const Style& style, const TableView& table);

/// Cells whole.
std::string text_page(const std::string& directory, const Style& style, const std::vector<CellView>& cells);

/// Many cells: a line each; `--cell` shows one whole.
std::string text_page(const std::string& directory, const Style& style,
                      const std::vector<CellFigures>& cells);

/// The same by some of the swept keys.
std::string text_page(const std::string& directory, const Style& style, const Pivot& pivot,
                      const std::vector<CellFigures>& cells);

}  // namespace apportion
