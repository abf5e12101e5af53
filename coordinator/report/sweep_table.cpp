#include "coordinator/report/sweep_table.h"

#include <algorithm>
#include <limits>
#include <tuple>

#include "coordinator/report/table.h"

namespace apportion {
namespace {

constexpr const char* none = "-";

/// Cells that have not swept all keys are told by their names.
bool has_other_cells(const std::vector<CellFigures>& cells, const std::vector<std::string>& keys) {
  return std::any_of(cells.begin(), cells.end(),
                     [&](const CellFigures& cell) { return cell.swept.size() != keys.size(); });
}

std::tuple<double, double, const std::string&> order_of(const CellFigures& cell) {
  constexpr double last = std::numeric_limits<double>::infinity();
  return {cell.exact_error.value_or(last), cell.mae.value_or(last), cell.name};
}

}  // namespace

std::string render_sweep(const Style& style, const std::vector<CellFigures>& cells) {
  const std::vector<std::string> keys = swept_keys(cells);
  const bool jobs = has_several_jobs(cells), names = has_other_cells(cells, keys);
  std::vector<Table::Column> columns;
  if (jobs) columns.push_back({"job", Align::left});
  if (names) columns.push_back({"cell", Align::left});
  for (const std::string& key : keys) columns.push_back({printable(style, key, 20), Align::left});
  columns.push_back({"test set", Align::left});
  for (const FigureColumn& column : figure_columns()) columns.push_back({column.heading});
  std::vector<const CellFigures*> sorted;
  for (const CellFigures& cell : cells) sorted.push_back(&cell);
  std::sort(sorted.begin(), sorted.end(),
            [](const CellFigures* a, const CellFigures* b) { return order_of(*a) < order_of(*b); });
  Table table(columns);
  for (const CellFigures* cell : sorted) {
    std::vector<std::string> row;
    if (jobs) row.push_back(printable(style, cell->job, 16));
    if (names) row.push_back(shown_value(style, cell->name));
    for (const std::string& key : keys)
      row.push_back(shown_value(style, swept_value(cell->swept, key).value_or(none)));
    row.push_back(cell->test_set.empty() ? none : printable(style, cell->test_set));
    for (const FigureColumn& column : figure_columns())
      row.push_back(figure_text(column, cell->*column.value));
    table.add_row(std::move(row));
  }
  return table.render(style, 2);
}

}  // namespace apportion
