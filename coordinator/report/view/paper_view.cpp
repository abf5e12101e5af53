#include "coordinator/report/view/paper_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>

#include "coordinator/report/data/pivot.h"
#include "coordinator/report/view/cell_tables.h"
#include "coordinator/report/view/cell_words.h"
#include "coordinator/report/view/sweep_tables.h"
#include "shared/config/option.h"

namespace apportion {
namespace {

using Entry = TableView::Entry;

constexpr const char* columns_note =
    "MAE: of the rounds, ± its standard deviation over subjects; floor: a perfect sampler's.";

/// "0.044 ± 0.020"; its value is the mean.
Entry mae_entry(const DatasetMetrics& metrics) {
  Entry entry = entry_of(measured_metric("mae"), metrics);
  if (metrics.mae && metrics.mae_deviation) entry.text += " ± " + set_text("mae_deviation", metrics);
  return entry;
}

/// Says what p is, and the intervals of the means if there are any.
std::string chance_note(const DatasetMetrics& metrics) {
  std::string note =
      "p: of the test whether the rounds are draws from the target; in the last row the subjects with 0.05 "
      "or more.";
  std::string intervals;
  const std::pair<const char*, std::optional<Interval>> of_means[] = {
      {"exact_error", metrics.exact_error_interval}, {"mae", metrics.mae_interval}};
  for (const auto& [name, interval] : of_means) {
    if (!interval) continue;
    const MeasuredMetric& metric = measured_metric(name);
    intervals += (intervals.empty() ? " " : ", ") + std::string(metric.heading) + " " +
                 interval_entry(name, interval).text;
  }
  return intervals.empty() ? note
                           : note + " 95% intervals of the means over subjects like these:" + intervals + ".";
}

Entry floor_entry(const CellFigures& figures) { return entry_of(measured_metric("floor"), figures.floor); }

/// Removes the columns with one of these headings.
TableView without(TableView table, const std::set<std::string>& headings) {
  for (size_t i = table.columns.size(); i-- > 0;) {
    if (!headings.contains(table.columns[i].heading)) continue;
    const auto at = static_cast<std::ptrdiff_t>(i);
    table.columns.erase(table.columns.begin() + at);
    for (std::vector<Entry>& row : table.rows) row.erase(row.begin() + at);
  }
  return table;
}

/// If there are more than `most` subjects, only those furthest off, worst first.
SetView worst_of(SetView set, size_t most) {
  if (set.subjects.size() <= most) return set;
  auto error_of = [](const SubjectView& subject) { return subject.error ? subject.error : subject.mae; };
  std::stable_sort(set.subjects.begin(), set.subjects.end(),
                   [&](const SubjectView& a, const SubjectView& b) { return error_of(a) > error_of(b); });
  set.subjects.resize(most);
  return set;
}

/// What a table of cells shows besides the figures.
struct PaperRow {
  std::string target;
  Entry before, after, exact;
};

PaperRow row_of(const CellView& view) {
  PaperRow row{view.target, {not_known}, {not_known}, {not_known}};
  const MeasureView* after = view.headline();
  if (!after) return row;
  if (const MeasureView* before = view.measure("before", after->test_set))
    row.before = entry_of(measured_metric("mae"), before->metrics);
  if (after->when == "after") row.after = mae_entry(after->metrics);
  row.exact = entry_of(measured_metric("exact_error"), after->metrics);
  return row;
}

bool is_swept(const std::vector<std::string>& keys, const char* key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

NotedTable table_of(const std::vector<CellFigures>& figures, const std::vector<PaperRow>& rows) {
  const std::vector<std::string> keys = swept_keys(figures);
  const bool jobs = has_several_jobs(figures);
  TableView table;
  auto add = [&](const char* heading) { table.columns.push_back({heading, Align::left}); };
  if (jobs) add("job");
  for (const char* name : {"dataset", "method", "target"}) {
    if (!is_swept(keys, name)) add(name);
  }
  for (const std::string& key : keys) table.columns.push_back({key, Align::left});
  add("test set");
  for (const char* heading : {"MAE before", "MAE after"})
    table.columns.push_back(column_of(measured_metric("mae"), heading));
  for (const char* name : {"exact_error", "floor"}) table.columns.push_back(column_of(measured_metric(name)));
  for (size_t i = 0; i < figures.size(); ++i) {
    const CellFigures& cell = figures[i];
    std::vector<Entry>& row = table.rows.emplace_back();
    if (jobs) row.push_back({cell.job});
    if (!is_swept(keys, "dataset")) row.push_back({cell.dataset});
    if (!is_swept(keys, "method")) row.push_back({cell.method});
    if (!is_swept(keys, "target")) row.push_back({rows[i].target});
    for (const std::string& key : keys) row.push_back({swept_value(cell.swept, key).value_or(not_known)});
    row.push_back({cell.test_set.empty() ? not_known : cell.test_set});
    row.insert(row.end(), {rows[i].before, rows[i].after, rows[i].exact, floor_entry(cell)});
  }
  return {fmt::format("{} cells", figures.size()), columns_note, std::move(table)};
}

NotedTable pivot_of(const std::string& directory, const std::vector<std::string>& by,
                    const std::vector<CellFigures>& figures) {
  const Pivot pivot = pivot_by(by, figures, directory);
  NotedTable table{"By " + join(by, ", "),
                   "Means over everything else that was swept; lowest..highest below them.",
                   pivot_table(pivot)};
  for (const std::string& line : {left_out_line(pivot), missing_line(pivot)})
    table.note += line.empty() ? "" : " " + line + ".";
  return table;
}

/// What each judge found in the stories, and how far they agree.
NotedTable stories_of(const CellView& view, TableView table) {
  std::string note = "No story, failed and unparsed: shares of all rounds.";
  for (const std::string& line : agreement_lines(view)) note += " " + line + ".";
  return {cell_title(view, unicode_marks) + ", stories", note, std::move(table)};
}

}  // namespace

NotedTable subjects_of_paper(const CellView& view, const SetView& set, size_t most) {
  TableView table = without(subject_table(worst_of(set, most)),
                            {measured_metric("exact_low").heading, measured_metric("exact_high").heading,
                             measured_metric("coverage").heading});
  const MeasureView* main = view.measure(set.is_trained ? "after" : "before", set.test_set);
  std::vector<Entry>& means = table.rows.emplace_back(table.columns.size());
  means.front() = {"mean"};
  const size_t errors = means.size() - 4;
  means[errors] = entry_of(measured_metric("exact_error"), main->metrics);
  means[errors + 1] = mae_entry(main->metrics);
  means[errors + 2] = entry_of(measured_metric("floor"), main->metrics);
  means[errors + 3] = passes_entry(main->metrics);
  std::string note = fmt::format("{} wordings, {} rounds for each subject. {} {}", main->file.result.wordings,
                                 main->metrics.rounds, columns_note, chance_note(main->metrics));
  if (set.subjects.size() > most)
    note = fmt::format("The {} subjects that are furthest off, of {}. ", most, set.subjects.size()) + note;
  return {cell_title(view, unicode_marks) + ", " + set_name(*main), note, std::move(table)};
}

PaperView make_paper_view(const std::string& directory, const std::vector<Cell>& cells,
                          const std::vector<std::string>& by) {
  PaperView paper;
  if (!by.empty()) {
    paper.figures = load_figures(directory, cells);
    paper.tables.push_back(pivot_of(directory, by, paper.figures));
    return paper;
  }
  std::vector<PaperRow> rows;
  for (const Cell& cell : cells) {
    const CellView view = load_cell(directory, cell);
    paper.figures.push_back(figures_of(view));
    rows.push_back(row_of(view));
    if (cells.size() > 1) continue;
    std::set<std::string> done;
    for (const MeasureView& measure : view.measures) {
      const std::string& test_set = measure.test_set;
      if (!done.insert(test_set).second) continue;
      const SetView set = compare_subjects(view.measure("before", test_set), view.measure("after", test_set));
      paper.tables.push_back(subjects_of_paper(view, set, std::numeric_limits<size_t>::max()));
    }
    if (TableView stories = stories_table(view); !stories.rows.empty())
      paper.tables.push_back(stories_of(view, std::move(stories)));
  }
  if (cells.size() > 1) paper.tables.push_back(table_of(paper.figures, rows));
  return paper;
}

}  // namespace apportion
