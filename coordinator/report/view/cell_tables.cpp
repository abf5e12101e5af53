#include "coordinator/report/view/cell_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "shared/config/method.h"
#include "shared/store/columns.h"

namespace apportion {
namespace {

using Column = TableView::Column;
using Entry = TableView::Entry;

constexpr const char* of_means[] = {"exact_error",
                                    "worst_exact_error",
                                    "exact_error_per_wording",
                                    "mae",
                                    "floor",
                                    "expected_mae",
                                    "kl",
                                    "coverage",
                                    "agreement",
                                    "unexplored",
                                    "unparsed_share"};
constexpr const char* of_stories[] = {"mae",          "floor",         "kl", "coverage", "no_story_share",
                                      "failed_share", "unparsed_share"};
constexpr const char* of_cells[] = {"exact_error", "worst_exact_error", "mae",           "floor",
                                    "coverage",    "unexplored",        "unparsed_share"};

template <size_t count>
void add_columns(const char* const (&names)[count], TableView& table) {
  for (const char* name : names) table.columns.push_back(column_of(measured_metric(name)));
}

template <size_t count>
void add_entries(const char* const (&names)[count], const DatasetMetrics& metrics, std::vector<Entry>& row) {
  for (const char* name : names) row.push_back(entry_of(measured_metric(name), metrics));
}

std::vector<Entry> chance_row(const MeasureView& measure) {
  const DatasetMetrics& metrics = measure.metrics;
  std::vector<Entry> row = {{measure_name(measure)},
                            interval_entry("exact_error", metrics.exact_error_interval),
                            interval_entry("mae", metrics.mae_interval),
                            entry_of(measured_metric("detectable"), metrics)};
  row.push_back(passes_entry(metrics));
  row.push_back(metrics.tested > 0
                    ? Entry{fmt::format("{} or more", metrics.passes_of_perfect), metrics.passes_of_perfect}
                    : Entry{not_known});
  return row;
}

double sum_of(const std::vector<double>& column) {
  return std::accumulate(column.begin(), column.end(), 0.0);
}

/// The last value of a column of the log.
Entry last_entry(const TrainLog& log, const std::string& name) {
  Entry entry{not_known};
  for_each_column(log, [&](const std::string& column, const std::vector<double>& values) {
    if (column != name || values.empty() || !std::isfinite(values.back())) return;
    entry = entry_of(training_metric(name), std::optional(values.back()));
  });
  return entry;
}

Entry share_entry(const std::vector<double>& shares, size_t category) {
  if (category >= shares.size()) return {not_known};
  return entry_of(measured_metric("observed"), std::optional(shares[category]));
}

std::vector<Entry> subject_row(const SetView& set, const SubjectView& subject, size_t j) {
  std::vector<Entry> row = {{subject.name}};
  if (set.categories.size() > 2) row.push_back({set.categories[j]});
  row.push_back(share_entry(subject.target, j));
  row.push_back(share_entry(subject.before, j));
  row.push_back(share_entry(subject.after, j));
  const bool exact = j < subject.exact.size();
  row.push_back(exact ? number_entry(subject.exact[j].low, 3) : Entry{not_known});
  row.push_back(exact ? number_entry(subject.exact[j].high, 3) : Entry{not_known});
  if (j > 0) {
    row.resize(row.size() + 5);
    return row;
  }
  row.push_back(entry_of(measured_metric("exact_error"), subject.error));
  row.push_back(entry_of(measured_metric("mae"), subject.mae));
  row.push_back(entry_of(measured_metric("floor"), subject.floor));
  row.push_back(entry_of(measured_metric("p_value"), subject.p_value));
  row.push_back(entry_of(measured_metric("coverage"), std::optional(subject.coverage)));
  return row;
}

}  // namespace

TableView::Entry interval_entry(const char* metric, const std::optional<Interval>& interval) {
  if (!interval) return {not_known};
  const MeasuredMetric& measured = measured_metric(metric);
  return {metric_text(measured, interval->low) + " to " + metric_text(measured, interval->high),
          interval->low};
}

TableView::Entry passes_entry(const DatasetMetrics& metrics) {
  if (metrics.tested == 0) return {not_known};
  return {fmt::format("{} of {}", metrics.passes, metrics.tested), metrics.passes};
}

bool is_of_stories(const MeasureView& measure) { return reads_stories(measure.file.record.task); }

std::string measure_name(const MeasureView& measure) { return measure.when + ", " + set_name(measure); }

TableView means_table(const CellView& view) {
  TableView table{{{"means", Align::left}}, {}};
  add_columns(of_means, table);
  for (const MeasureView& measure : view.measures) {
    if (is_of_stories(measure)) continue;
    std::vector<Entry>& row = table.rows.emplace_back();
    row.push_back({measure_name(measure)});
    add_entries(of_means, measure.metrics, row);
  }
  return table;
}

TableView chance_table(const CellView& view) {
  const std::string interval =
      "95% interval of the mean over subjects like these; it does not cover another seed or machine";
  TableView table{{{"chance", Align::left},
                   {"exact error, 95%", Align::right, interval},
                   {"MAE, 95%", Align::right, interval},
                   column_of(measured_metric("detectable")),
                   column_of(measured_metric("passes")),
                   column_of(measured_metric("passes_of_perfect"))},
                  {}};
  for (const MeasureView& measure : view.measures) {
    if (measure.metrics.detectable || measure.metrics.tested > 0) table.rows.push_back(chance_row(measure));
  }
  return table;
}

TableView stories_table(const CellView& view) {
  TableView table{{{"stories", Align::left}, {"judge", Align::left, "who read the stories", 32}}, {}};
  add_columns(of_stories, table);
  table.columns.back().heading = "unparsed in all";
  for (const MeasureView& measure : view.measures) {
    if (!is_of_stories(measure)) continue;
    std::vector<Entry>& row = table.rows.emplace_back();
    row.push_back({measure.when + ", " + measure.test_set});
    row.push_back({measure.judge.empty() ? not_known : measure.judge});
    add_entries(of_stories, measure.metrics, row);
  }
  return table;
}

TableView side_by_side_table(const std::vector<CellView>& cells) {
  TableView table{{{"cell", Align::left, "", 32}, {"test set", Align::left}}, {}};
  add_columns(of_cells, table);
  for (const CellView& view : cells) {
    const MeasureView* last = view.headline();
    if (!last) continue;
    std::vector<Entry>& row = table.rows.emplace_back();
    row.push_back({view.cell.name});
    row.push_back({last->test_set});
    add_entries(of_cells, last->metrics, row);
  }
  return table;
}

TableView training_table(const CellView& view) {
  TableView table{{{"training", Align::left}, column_of(training_metric("step"))}, {}};
  for (const char* name : {"loss", "kl", "kto", "z_unclamped"})
    table.columns.push_back(column_of(training_metric(name)));
  table.columns.push_back({"z<0", Align::right, "steps in which z was below 0 and 0 was used instead"});
  for (const char* name : {"coverage", "grad_norm"})
    table.columns.push_back(column_of(training_metric(name)));
  table.columns.push_back({"tokens/step", Align::right, "mean of distinct tokens a step"});
  table.columns.push_back({"s/step", Align::right, "mean time of a step"});
  table.columns.push_back({"seconds", Align::right, "of all steps"});
  for (const TrainView& training : view.training) {
    const TrainLog& log = training.file.log;
    const double count = static_cast<double>(log.step.size()), steps = std::max(1.0, count);
    table.rows.push_back({{training.file.record.task.label},
                          number_entry(count, 0),
                          last_entry(log, "loss"),
                          last_entry(log, "kl"),
                          last_entry(log, "kto"),
                          last_entry(log, "z_unclamped"),
                          number_entry(clamped_steps(log), 0),
                          last_entry(log, "coverage"),
                          last_entry(log, "grad_norm"),
                          number_entry(sum_of(log.tokens) / steps, 0),
                          number_entry(sum_of(log.seconds) / steps, 2),
                          number_entry(sum_of(log.seconds), 0)});
  }
  return table;
}

TableView retention_table(const RetentionSummary& summary) {
  TableView table{{{"what must not change", Align::left, "", 32}}, {}};
  for (const RetentionMetric& metric : retention_metrics()) {
    if (metric.of_group) table.columns.push_back(column_of(metric));
  }
  // "leak before" already says what the next two columns are about.
  table.columns[table.columns.size() - 2].heading = "after";
  table.columns.back().heading = "added";
  auto add = [&](const RetentionGroup& group, const std::string& name) {
    std::vector<Entry>& row = table.rows.emplace_back();
    row.push_back({name});
    for (const RetentionMetric& metric : retention_metrics()) {
      if (metric.of_group) row.push_back(entry_of(metric, std::optional(metric.of_group(group))));
    }
  };
  add(summary.unrelated, "unrelated prompts");
  add(summary.near, "near misses");
  for (const RetentionGroup& kind : summary.kinds) add(kind, "  " + kind.name);
  return table;
}

TableView subject_table(const SetView& set) {
  const bool pair = set.categories.size() == 2;
  TableView table{{{"subject", Align::left}}, {}};
  if (!pair) table.columns.push_back({"category", Align::left});
  const std::string of = pair ? ", " + set.categories[0] : "";
  for (const char* heading : {"target", "before", "after"})
    table.columns.push_back({heading + of, Align::right, measured_metric("observed").meaning});
  table.columns[table.columns.size() - 3].meaning = "the share that is asked for";
  for (const char* name : {"exact_low", "exact_high", "exact_error", "mae", "floor", "p_value", "coverage"})
    table.columns.push_back(column_of(measured_metric(name)));
  for (const SubjectView& subject : set.subjects) {
    for (size_t j = 0; j < (pair ? 1 : set.categories.size()); ++j)
      table.rows.push_back(subject_row(set, subject, j));
  }
  return table;
}

}  // namespace apportion
