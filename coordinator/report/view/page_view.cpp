#include "coordinator/report/view/page_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "coordinator/report/data/pivot.h"
#include "coordinator/report/view/cell_words.h"
#include "coordinator/report/view/page_words.h"
#include "coordinator/report/view/sweep_tables.h"
#include "shared/base/error.h"

namespace apportion {
namespace {

constexpr size_t most_rows = 100;  // of a table of cells or groups

std::vector<Cell> cells_of(const std::string& directory) {
  try {
    return read_index(directory);
  } catch (const UserError&) {
    return {};  // no results yet
  }
}

/// The cells that are furthest off, worst first; those without a result are mentioned elsewhere.
std::vector<Cell> worst_cells(const std::vector<Cell>& cells, const std::vector<CellFigures>& figures) {
  std::vector<const CellFigures*> sorted = by_error(figures);
  std::erase_if(sorted, [](const CellFigures* cell) { return !cell->exact_error && !cell->mae; });
  std::reverse(sorted.begin(), sorted.end());
  if (sorted.size() > most_whole) sorted.resize(most_whole);
  std::vector<Cell> worst;
  for (const CellFigures* cell : sorted) worst.push_back(cells[static_cast<size_t>(cell - figures.data())]);
  return worst;
}

void cut_rows(NotedTable& table) {
  if (table.table.rows.size() <= most_rows) return;
  table.note += fmt::format(" The first {} of {} rows.", most_rows, table.table.rows.size());
  table.table.rows.resize(most_rows);
}

std::vector<NotedTable> tables_of(const PageView& page) {
  const std::vector<CellFigures>& figures = page.figures;
  NotedTable cells{"Cells", "", cells_table(figures, figures.size() > most_rows ? most_whole : most_rows)};
  if (page.leaves_cells_out && figures.size() > most_rows)
    cells.note = fmt::format("The {} that are furthest off, of {}.", cells.table.rows.size(), figures.size());
  std::vector<NotedTable> tables = {std::move(cells)};
  const std::vector<std::string> keys = swept_keys(figures);
  for (const std::string& key : keys) {
    const Pivot pivot = pivot_by({key}, figures, page.directory);
    const bool one_value = std::all_of(pivot.rows.begin(), pivot.rows.end(), [&](const PivotRow& row) {
      return row.values == pivot.rows.front().values;
    });
    if (one_value || keys.size() == 1) continue;  // with a single key the rows would be the cells
    NotedTable& group = tables.emplace_back(
        NotedTable{"By " + key, "Means over everything else that was swept; lowest..highest below them.",
                   pivot_table(pivot)});
    for (const std::string& line : {left_out_line(pivot), missing_line(pivot)})
      group.note += line.empty() ? "" : " " + line + ".";
    cut_rows(group);
  }
  return tables;
}

std::string title_of(const PageView& page) {
  if (page.figures.size() == 1 && !page.whole.empty()) return cell_title(page.whole.front(), unicode_marks);
  std::set<std::string> jobs;
  for (const CellFigures& cell : page.figures) jobs.insert(cell.job);
  const std::string name =
      jobs.size() == 1 ? *jobs.begin() : std::filesystem::path(page.directory).filename().string();
  return page.figures.empty() ? name : fmt::format("{}: {} cells", name, page.figures.size());
}

}  // namespace

PageView make_page_view(const std::string& directory, const std::string& cell) {
  if (!std::filesystem::is_directory(directory))
    throw UserError(directory + " is not a directory: give the one that `apportion run` wrote to");
  PageView page;
  page.directory = std::filesystem::absolute(directory).lexically_normal().string();
  while (page.directory.size() > 1 && page.directory.ends_with('/')) page.directory.pop_back();
  std::vector<Cell> cells = cells_of(directory);
  if (!cell.empty()) cells = {only_cell(cells, cell, directory)};
  page.leaves_cells_out = cells.size() > most_whole;
  if (page.leaves_cells_out) {
    page.figures = load_figures(directory, cells);
    page.whole = load_cells(directory, worst_cells(cells, page.figures));
  } else {
    page.whole = load_cells(directory, cells);
    for (const CellView& view : page.whole) page.figures.push_back(figures_of(view));
  }
  page.missing = missing_of(directory);
  for (const std::string& problem : problems_of(page.figures)) page.missing.push_back(problem);
  page.title = title_of(page);
  if (cells.empty()) return page;
  const bool one = cells.size() == 1;
  page.asked = one ? asked_of(page.whole.front()) : asked_of(page.figures);
  page.outcome = one ? outcome_of(page.whole.front()) : outcome_of(page.figures);
  if (one) return page;
  page.tables = tables_of(page);
  page.plots = sweep_plots(page.figures);
  return page;
}

}  // namespace apportion
