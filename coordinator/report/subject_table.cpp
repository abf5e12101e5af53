#include "coordinator/report/subject_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "coordinator/report/table.h"

namespace apportion {
namespace {

constexpr double least_parsed = 0.5;     // of a subject's rounds, for its sampled shares to mean something
constexpr double most_unexplored = 0.5;  // for its exact shares to mean something
constexpr double tight = 0.001;          // bounds as close as this print as one number
constexpr double good_error = 0.025, fair_error = 0.1;
constexpr int bar_width = 8, page = 112;
constexpr size_t most_listed = 5;
constexpr const char* none = "-";

bool is_known(const std::vector<double>& target) { return !target.empty() && std::isfinite(target[0]); }

bool has_shares(const SubjectMetrics& metrics) {
  return !metrics.observed.empty() && 1 - metrics.unparsed_share >= least_parsed;
}

bool has_exact(const SubjectMetrics& metrics) {
  return !metrics.exact_low.empty() && metrics.unexplored <= most_unexplored;
}

// The exact share's middle, else the sampled share.
double best_share(const SubjectMetrics& metrics, size_t j) {
  return has_exact(metrics) ? (metrics.exact_low[j] + metrics.exact_high[j]) / 2 : metrics.observed[j];
}

Paint paint_of(const SubjectMetrics& metrics) {
  std::optional<double> error = metrics.exact_error ? metrics.exact_error : metrics.mae;
  if (!error) return Paint::plain;
  return *error <= good_error ? Paint::green : *error <= fair_error ? Paint::yellow : Paint::red;
}

// Before and after may be of different subjects when one of the files is another job's.
const SubjectMetrics* subject_of(const MeasureView* view, size_t s) {
  return view && s < view->metrics.subjects.size() ? &view->metrics.subjects[s] : nullptr;
}

std::string bar_cell(const Style& style, double share, Paint paint) {
  return painted(style, paint, bar(style, share, bar_width)) + " " + decimals(share);
}

std::string share_cell(const Style& style, const SubjectMetrics* metrics, Paint paint) {
  if (!metrics || !has_shares(*metrics)) return right(none, bar_width + 6);
  return bar_cell(style, metrics->observed[0], paint);
}

std::string exact_cell(const SubjectMetrics& metrics) {
  if (!has_exact(metrics)) return none;
  const double low = metrics.exact_low[0], high = metrics.exact_high[0];
  if (high - low <= tight) return decimals((low + high) / 2);
  return "[" + decimals(low) + ", " + decimals(high) + "]";
}

std::string spark_cell(const Style& style, const SubjectMetrics* metrics, Paint paint) {
  if (!metrics || !has_shares(*metrics)) return none;
  return painted(style, paint, spark(style, metrics->observed));
}

// Every category's share, exact where it is known with half the width of its bounds, else sampled.
std::string list_cell(const Style& style, const SubjectMetrics& metrics) {
  const bool exact = has_exact(metrics);
  if (!exact && !has_shares(metrics)) return none;
  std::string text;
  double half_width = 0;
  for (size_t j = 0; j < metrics.exact_low.size(); ++j) {
    half_width = std::max(half_width, (metrics.exact_high[j] - metrics.exact_low[j]) / 2);
    if (j < most_listed) text += (j > 0 ? " " : exact ? "" : "~") + decimals(best_share(metrics, j));
  }
  if (metrics.exact_low.size() > most_listed) text += " ..";
  const char* sign = style.charset == Charset::unicode ? " ±" : " +-";
  return exact && 2 * half_width > tight ? text + sign + decimals(half_width).substr(1) : text;
}

// The category whose share is furthest from its target; by its number where the names are many.
std::string worst_cell(const Style& style, const SubjectMetrics& metrics, const MeasureTables& tables,
                       size_t s) {
  if (!is_known(tables.target[s]) || (!has_exact(metrics) && !has_shares(metrics))) return none;
  size_t worst = 0;
  std::vector<double> errors;
  for (size_t j = 0; j < tables.categories.size(); ++j) {
    errors.push_back(best_share(metrics, j) - tables.target[s][j]);
    if (std::abs(errors[j]) > std::abs(errors[worst])) worst = j;
  }
  const std::string name =
      tables.categories.size() > 3 ? std::to_string(worst) : printable(style, tables.categories[worst], 12);
  return name + fmt::format(" {:+.3f}", errors[worst]);
}

// The columns that both forms of the table end with.
void add_errors(std::vector<std::string>& row, const SubjectMetrics& metrics, bool known) {
  row.push_back(decimals(metrics.exact_error));
  row.push_back(has_shares(metrics) ? decimals(metrics.mae) : none);
  row.push_back(known ? decimals(metrics.floor) : none);
  row.push_back(decimals(metrics.coverage));
}

std::string render_pairs(const Style& style, const MeasureView* before, const MeasureView* after) {
  const MeasureView& main = after ? *after : *before;
  const MeasureTables& tables = main.file.tables;
  Table table(
      {{printable(style, tables.categories[0], 16) + ", " + printable(style, main.test_set, 8), Align::left},
       {"target", Align::left},
       {"before", Align::left},
       {"after", Align::left},
       {"exact"},
       {"error"},
       {"MAE"},
       {"floor"},
       {"coverage"}});
  for (size_t s = 0; s < tables.subjects.size(); ++s) {
    const SubjectMetrics& metrics = main.metrics.subjects[s];
    const bool known = is_known(tables.target[s]);
    std::vector<std::string> row = {printable(style, tables.subjects[s], 26),
                                    known ? bar_cell(style, tables.target[s][0], Paint::cyan) : none,
                                    share_cell(style, subject_of(before, s), Paint::dim),
                                    share_cell(style, subject_of(after, s), paint_of(metrics)),
                                    exact_cell(metrics)};
    add_errors(row, metrics, known);
    table.add_row(std::move(row));
  }
  return table.render(style, 2);
}

// "categories: 0 White, 1 Asian", on as many lines as it takes.
std::string render_names(const Style& style, const std::vector<std::string>& categories) {
  std::string text, line = "  categories:";
  for (size_t j = 0; j < categories.size(); ++j) {
    std::string name = fmt::format(" {} {}", j, printable(style, categories[j], 44));
    if (columns_of(line + name) > page) {
      text += painted(style, Paint::dim, line) + "\n";
      line = "             ";
    }
    line += name + (j + 1 < categories.size() ? "," : "");
  }
  return text + painted(style, Paint::dim, line) + "\n";
}

std::string render_lists(const Style& style, const MeasureView* before, const MeasureView* after) {
  const MeasureView& main = after ? *after : *before;
  const MeasureTables& tables = main.file.tables;
  const int name_width = tables.categories.size() > 3 ? 19 : 26;
  Table table({{printable(style, main.test_set, 12), Align::left},
               {"target", Align::left},
               {"before", Align::left},
               {"after", Align::left},
               {"exact (~ sampled)", Align::left},
               {"worst"},
               {"error"},
               {"MAE"},
               {"floor"},
               {"cover"}});
  for (size_t s = 0; s < tables.subjects.size(); ++s) {
    const SubjectMetrics& metrics = main.metrics.subjects[s];
    const bool known = is_known(tables.target[s]);
    std::vector<std::string> row = {
        printable(style, tables.subjects[s], name_width),
        known ? painted(style, Paint::cyan, spark(style, tables.target[s])) : none,
        spark_cell(style, subject_of(before, s), Paint::dim),
        spark_cell(style, subject_of(after, s), paint_of(metrics)),
        list_cell(style, metrics),
        worst_cell(style, metrics, tables, s)};
    add_errors(row, metrics, known);
    table.add_row(std::move(row));
  }
  return render_names(style, tables.categories) + table.render(style, 2);
}

}  // namespace

std::string decimals(double value) { return std::isfinite(value) ? fmt::format("{:.3f}", value) : none; }

std::string decimals(const std::optional<double>& value) { return value ? decimals(*value) : none; }

std::string render_subjects(const Style& style, const MeasureView* before, const MeasureView* after) {
  const MeasureView& main = after ? *after : *before;
  return main.file.tables.categories.size() == 2 ? render_pairs(style, before, after)
                                                 : render_lists(style, before, after);
}

}  // namespace apportion
