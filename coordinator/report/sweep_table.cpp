#include "coordinator/report/sweep_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <tuple>

#include "coordinator/report/subject_table.h"
#include "coordinator/report/table.h"

namespace apportion {
namespace {

constexpr const char* none = "-";

/// Every key that some cell has swept, in the order of the first that has it.
std::vector<std::string> swept_keys(const std::vector<CellView>& cells) {
  std::vector<std::string> keys;
  for (const CellView& view : cells) {
    for (const auto& [key, value] : view.cell.about.swept) {
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
    }
  }
  return keys;
}

std::string value_of(const CellView& view, const std::string& key) {
  for (const auto& [name, value] : view.cell.about.swept) {
    if (name == key) return value;
  }
  return none;
}

/// A long value, such as a path, by its end.
std::string shown_value(const Style& style, const std::string& value) {
  constexpr size_t most = 24;
  const std::string text = printable(style, value);
  if (text.size() <= most) return text;
  size_t begin = text.size() - most + 3;
  while ((static_cast<unsigned char>(text[begin]) & 0xC0U) == 0x80U) ++begin;  // not inside a character
  return "..." + text.substr(begin);
}

/// Jobs whose names tell cells apart, and cells that have not swept all keys.
bool has_several_jobs(const std::vector<CellView>& cells) {
  return std::any_of(cells.begin(), cells.end(),
                     [&](const CellView& view) { return view.cell.job != cells.front().cell.job; });
}

bool has_other_cells(const std::vector<CellView>& cells, const std::vector<std::string>& keys) {
  return std::any_of(cells.begin(), cells.end(),
                     [&](const CellView& view) { return view.cell.about.swept.size() != keys.size(); });
}

std::tuple<double, double, std::string> order_of(const CellView& view) {
  constexpr double last = std::numeric_limits<double>::infinity();
  const MeasureView* measure = view.headline();
  if (!measure) return {last, last, view.cell.name};
  return {measure->metrics.exact_error.value_or(last), measure->metrics.mae.value_or(last), view.cell.name};
}

/// The test set and its errors.
std::vector<std::string> error_cells(const Style& style, const MeasureView* measure) {
  if (!measure) return {none, none, none, none, none};
  const DatasetMetrics& metrics = measure->metrics;
  const bool exact = metrics.subjects_with_exact > 0;
  return {printable(style, measure->test_set), exact ? decimals(metrics.exact_error) : none,
          exact ? decimals(metrics.worst_exact_error) : none, decimals(metrics.mae), decimals(metrics.floor)};
}

/// What must not change: leak that training added to unrelated prompts, KL a token there, perplexity.
std::vector<std::string> retention_cells(const CellView& view) {
  if (!view.retention) return {none, none, none};
  const RetentionSummary summary = summary_of(view.retention->result);
  return {fmt::format("{:.4f}", summary.unrelated.added_leak), fmt::format("{:.4f}", summary.unrelated.kl),
          fmt::format("{:.3f} x", summary.perplexity / summary.base_perplexity)};
}

}  // namespace

bool is_sweep(const std::vector<CellView>& cells) {
  return std::any_of(cells.begin(), cells.end(),
                     [](const CellView& view) { return !view.cell.about.swept.empty(); });
}

std::string render_sweep(const Style& style, const std::vector<CellView>& cells) {
  const std::vector<std::string> keys = swept_keys(cells);
  const bool jobs = has_several_jobs(cells), names = has_other_cells(cells, keys);
  std::vector<Table::Column> columns;
  if (jobs) columns.push_back({"job", Align::left});
  if (names) columns.push_back({"cell", Align::left});
  for (const std::string& key : keys) columns.push_back({printable(style, key, 20), Align::left});
  columns.push_back({"test set", Align::left});
  for (const char* name : {"exact error", "worst", "MAE", "floor", "leak added", "KL/token", "perplexity"})
    columns.push_back({name});
  std::vector<const CellView*> sorted;
  for (const CellView& view : cells) sorted.push_back(&view);
  std::sort(sorted.begin(), sorted.end(),
            [](const CellView* a, const CellView* b) { return order_of(*a) < order_of(*b); });
  Table table(columns);
  for (const CellView* view : sorted) {
    std::vector<std::string> row;
    if (jobs) row.push_back(printable(style, view->cell.job, 16));
    if (names) row.push_back(shown_value(style, view->cell.name));
    for (const std::string& key : keys) row.push_back(shown_value(style, value_of(*view, key)));
    for (std::string& figure : error_cells(style, view->headline())) row.push_back(std::move(figure));
    for (std::string& figure : retention_cells(*view)) row.push_back(std::move(figure));
    table.add_row(std::move(row));
  }
  return table.render(style, 2);
}

}  // namespace apportion
