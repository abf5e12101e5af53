#include "coordinator/report/view/sweep_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <tuple>

#include "shared/config/option.h"

namespace apportion {
namespace {

using Column = TableView::Column;
using Entry = TableView::Entry;

/// A swept value; a long one, such as a path, is cut at its start.
Column value_column(const std::string& key) { return {key, Align::left, "", 24, true}; }

Column job_column() { return {"job", Align::left, "", 16}; }

/// Whether some cells did not sweep all keys and need their names to be told apart.
bool has_other_cells(const std::vector<CellFigures>& cells, const std::vector<std::string>& keys) {
  return std::any_of(cells.begin(), cells.end(),
                     [&](const CellFigures& cell) { return cell.swept.size() != keys.size(); });
}

std::tuple<double, double, const std::string&> order_of(const CellFigures& cell) {
  constexpr double last = std::numeric_limits<double>::infinity();
  return {cell.exact_error.value_or(last), cell.mae.value_or(last), cell.name};
}

Entry mean_entry(const FigureColumn& column, const std::optional<PivotFigure>& figure, size_t cells) {
  if (!figure) return {not_known};
  Entry entry = entry_of(column.metric, std::optional(figure->mean));
  if (figure->cells < cells) entry.text += fmt::format(" ({}/{})", figure->cells, cells);
  return entry;
}

/// "0.028..0.035"; empty if both print alike.
std::string range_text(const FigureColumn& column, const std::optional<PivotFigure>& figure) {
  if (!figure) return "";
  const int decimals = column.metric.decimals;
  const std::string low = fmt::format("{:.{}f}", figure->low, decimals),
                    high = fmt::format("{:.{}f}", figure->high, decimals);
  return low == high ? "" : low + ".." + high;
}

/// What tells rows apart besides the keys.
struct PivotExtras {
  bool jobs = false, test_sets = false;
};

PivotExtras extras_of(const Pivot& pivot) {
  PivotExtras extras;
  for (const PivotRow& row : pivot.rows) {
    extras.jobs = extras.jobs || row.job != pivot.rows.front().job;
    extras.test_sets = extras.test_sets || row.test_set != pivot.rows.front().test_set;
  }
  return extras;
}

void add_rows(const PivotRow& row, const PivotExtras& extras, TableView& table) {
  std::vector<Entry> means, ranges;
  if (extras.jobs) means.push_back({row.job});
  for (const std::string& value : row.values) means.push_back({value});
  if (extras.test_sets) means.push_back({row.test_set.empty() ? not_known : row.test_set});
  means.push_back(number_entry(static_cast<double>(row.cells), 0));
  ranges.resize(means.size());
  bool differ = false;
  for (size_t i = 0; i < row.figures.size(); ++i) {
    const FigureColumn& column = figure_columns()[i];
    means.push_back(mean_entry(column, row.figures[i], row.cells));
    ranges.push_back({range_text(column, row.figures[i]), {}, true});
    differ = differ || !ranges.back().text.empty();
  }
  table.rows.push_back(std::move(means));
  if (differ) table.rows.push_back(std::move(ranges));
}

void add_figures(const CellFigures& cell, std::vector<Entry>& row) {
  for (const FigureColumn& column : figure_columns())
    row.push_back(entry_of(column.metric, cell.*column.value));
}

/// Whether the cells differ in this field.
bool differs(const std::vector<CellFigures>& cells, std::string CellFigures::*field) {
  return std::any_of(cells.begin(), cells.end(),
                     [&](const CellFigures& cell) { return cell.*field != cells.front().*field; });
}

/// Those of `sorted` with an error, worst first, then those without; at most `most`.
std::vector<const CellFigures*> worst_of(std::vector<const CellFigures*> sorted, size_t most) {
  const auto without = std::find_if(sorted.begin(), sorted.end(),
                                    [](const CellFigures* cell) { return !cell->exact_error && !cell->mae; });
  std::reverse(sorted.begin(), without);
  if (sorted.size() > most) sorted.resize(most);
  return sorted;
}

}  // namespace

std::vector<const CellFigures*> by_error(const std::vector<CellFigures>& cells) {
  std::vector<const CellFigures*> sorted;
  for (const CellFigures& cell : cells) sorted.push_back(&cell);
  std::sort(sorted.begin(), sorted.end(),
            [](const CellFigures* a, const CellFigures* b) { return order_of(*a) < order_of(*b); });
  return sorted;
}

TableView cells_table(const std::vector<CellFigures>& cells, size_t most) {
  TableView table;
  std::vector<std::string CellFigures::*> names;
  const std::pair<const char*, std::string CellFigures::*> fields[] = {
      {"job", &CellFigures::job}, {"dataset", &CellFigures::dataset}, {"method", &CellFigures::method}};
  table.columns.push_back({"cell", Align::left});
  for (const auto& [heading, field] : fields) {
    if (!differs(cells, field)) continue;
    names.push_back(field);
    table.columns.push_back({heading, Align::left});
  }
  table.columns.push_back({"test set", Align::left});
  for (const FigureColumn& column : figure_columns()) table.columns.push_back(column_of(column.metric));
  std::vector<const CellFigures*> shown = by_error(cells);
  if (shown.size() > most) shown = worst_of(std::move(shown), most);
  for (const CellFigures* cell : shown) {
    std::vector<Entry>& row = table.rows.emplace_back();
    row.push_back({cell->name});
    for (std::string CellFigures::*field : names) row.push_back({cell->*field});
    row.push_back({cell->test_set.empty() ? not_known : cell->test_set});
    add_figures(*cell, row);
  }
  return table;
}

TableView sweep_table(const std::vector<CellFigures>& cells) {
  const std::vector<std::string> keys = swept_keys(cells);
  const bool jobs = has_several_jobs(cells), names = has_other_cells(cells, keys);
  TableView table;
  if (jobs) table.columns.push_back(job_column());
  if (names) table.columns.push_back(value_column("cell"));
  for (const std::string& key : keys) table.columns.push_back(value_column(key));
  table.columns.push_back({"test set", Align::left});
  for (const FigureColumn& column : figure_columns()) table.columns.push_back(column_of(column.metric));
  for (const CellFigures* cell : by_error(cells)) {
    std::vector<Entry>& row = table.rows.emplace_back();
    if (jobs) row.push_back({cell->job});
    if (names) row.push_back({cell->name});
    for (const std::string& key : keys) row.push_back({swept_value(cell->swept, key).value_or(not_known)});
    row.push_back({cell->test_set.empty() ? not_known : cell->test_set});
    add_figures(*cell, row);
  }
  return table;
}

TableView pivot_table(const Pivot& pivot) {
  const PivotExtras extras = extras_of(pivot);
  TableView table;
  if (extras.jobs) table.columns.push_back(job_column());
  for (const std::string& key : pivot.keys) table.columns.push_back(value_column(key));
  if (extras.test_sets) table.columns.push_back({"test set", Align::left});
  table.columns.push_back({"cells", Align::right, "that the row is over"});
  for (const FigureColumn& column : figure_columns()) table.columns.push_back(column_of(column.metric));
  for (const PivotRow& row : pivot.rows) add_rows(row, extras, table);
  return table;
}

std::string left_out_line(const Pivot& pivot) {
  if (pivot.left_out == 0) return "";
  return fmt::format("left out: {}, not swept by {}",
                     pivot.left_out == 1 ? "1 cell" : fmt::format("{} cells", pivot.left_out),
                     join(pivot.keys, ", "));
}

std::string missing_line(const Pivot& pivot) {
  if (pivot.missing.empty()) return "";
  return fmt::format("{} of the cells above have no result and are in no mean of errors: {}",
                     pivot.missing.size(), join(pivot.missing, "; "));
}

}  // namespace apportion
