#include "coordinator/report/data/cell_figures.h"

#include <algorithm>
#include <cmath>

#include "coordinator/report/data/figure_cache.h"

namespace apportion {
namespace {

/// A mean over nothing or a division by 0 counts as unknown.
std::optional<double> finite(double value) {
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

void take_errors(const MeasureView& measure, CellFigures& figures) {
  const DatasetMetrics& metrics = measure.metrics;
  for (const auto& row : measure.file.tables.target) figures.subjects += !row.empty() && !std::isnan(row[0]);
  figures.readable = true;
  figures.with_exact = metrics.subjects_with_exact;
  figures.with_mae = metrics.subjects_with_mae;
  figures.exact_error = metrics.exact_error;
  figures.worst = measured_metric("worst_exact_error").of_set(metrics);
  figures.mae = metrics.mae;
  figures.floor = metrics.floor;
}

void take_retention(const RetentionResult& result, CellFigures& figures) {
  const RetentionSummary summary = summary_of(result);
  if (summary.unrelated.prompts > 0) {
    figures.leak = summary.unrelated.added_leak;
    figures.kl = summary.unrelated.kl;
  }
  figures.perplexity = finite(retention_metric("perplexity_ratio").of_summary(summary));
}

/// What the index alone says about a cell.
CellFigures named_figures(const Cell& cell) {
  CellFigures figures;
  figures.job = cell.job;
  figures.name = cell.name;
  figures.dataset = cell.about.dataset;
  figures.method = cell.about.method;
  figures.swept = cell.about.swept;
  figures.place = cell.about.place;
  if (const std::optional<MeasureName> name = headline_of(cell)) {
    figures.when = name->when;
    figures.test_set = name->test_set;
  }
  return figures;
}

}  // namespace

CellFigures figures_of(const CellView& view) {
  CellFigures figures = named_figures(view.cell);
  if (const MeasureView* measure = view.headline()) take_errors(*measure, figures);
  if (!view.dataset.empty()) figures.dataset = view.dataset;
  if (!view.method.empty()) figures.method = view.method;
  if (view.retention) take_retention(view.retention->result, figures);
  figures.problems = view.problems;
  return figures;
}

namespace {

/// Loads figures from the cache, or else from the files and then caches them.
CellFigures load_figures_of(const std::string& directory, const Cell& cell, FigureCache& cache) {
  CellFigures figures = named_figures(cell);
  const std::string key = cache.key_of(cell);
  if (key.empty() || !cache.find(key, figures)) figures = figures_of(load_headline(directory, cell));
  if (!key.empty() && figures.readable && figures.problems.empty()) cache.keep(key, figures);
  return figures;
}

}  // namespace

std::vector<CellFigures> load_figures(const std::string& directory, const std::vector<Cell>& cells) {
  std::vector<CellFigures> all;
  FigureCache cache(directory);
  for (const Cell& cell : cells) all.push_back(load_figures_of(directory, cell, cache));
  cache.save();
  return all;
}

void keep_figures(const std::string& directory, const std::vector<Cell>& cells,
                  const std::function<void()>& pulse) {
  FigureCache cache(directory);
  cache.keep_read();
  for (const Cell& cell : cells) {
    load_figures_of(directory, cell, cache);
    pulse();
  }
  cache.save();
}

std::vector<std::string> problems_of(const std::vector<CellFigures>& cells) {
  std::vector<std::string> problems;
  for (const CellFigures& cell : cells) add_problems(cell.name, cell.problems, problems);
  return problems;
}

const std::vector<FigureColumn>& figure_columns() {
  static const std::vector<FigureColumn> columns = {
      {measured_metric("exact_error"), &CellFigures::exact_error},
      {measured_metric("worst_exact_error"), &CellFigures::worst},
      {measured_metric("mae"), &CellFigures::mae},
      {measured_metric("floor"), &CellFigures::floor},
      {retention_metric("added_leak"), &CellFigures::leak},
      {retention_metric("kl_per_token"), &CellFigures::kl},
      {retention_metric("perplexity_ratio"), &CellFigures::perplexity}};
  return columns;
}

std::vector<std::string> swept_keys(const std::vector<CellFigures>& cells) {
  std::vector<std::string> keys;
  for (const CellFigures& cell : cells) add_swept_keys(cell.swept, keys);
  return keys;
}

bool has_several_jobs(const std::vector<CellFigures>& cells) {
  return std::any_of(cells.begin(), cells.end(),
                     [&](const CellFigures& cell) { return cell.job != cells.front().job; });
}

}  // namespace apportion
