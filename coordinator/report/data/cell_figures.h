// The few figures that stand for a cell among many: how far off its answers are, and what must not change.
// The tables of sweeps, the pivot and the conditions of --fail-if take them from here. A cell whole is
// report_data.h's.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/report/data/report_data.h"
#include "shared/measure/metric_table.h"

namespace apportion {

/// Errors are of headline_of(): the first test set, after training where that was measured.
struct CellFigures {
  std::string job, name, dataset, method;  // the last two as the index has them, else as the files do
  SweptValues swept;
  std::optional<uint64_t> place;  // in its sweep, from 0; not known of older files
  std::string when, test_set;     // of the errors; empty where nothing was measured
  bool readable = false;          // whether the result of these was
  /// Means over subjects, 0 to 1; of the exact error also the worst subject's.
  std::optional<double> exact_error, worst, mae, floor;
  /// Subjects whose target is known, and how many of these have an exact error and an MAE: a mean over fewer
  /// flatters.
  int subjects = 0, with_exact = 0, with_mae = 0;
  /// Of unrelated prompts: the leak that training added (a probability), and KL a token from the untouched
  /// model (nats). Of a plain text: perplexity as a multiple of the untouched model's.
  std::optional<double> leak, kl, perplexity;
  std::vector<std::string> problems;  // a line for each of its files that cannot be read
};

CellFigures figures_of(const CellView& view);

/// The same from the headline's files alone, a cell after the other.
std::vector<CellFigures> load_figures(const std::string& directory, const std::vector<Cell>& cells);

/// Reads those of cells that have become complete, so that the first report need not: a run does it as it
/// goes, under the lease of the index. Calls `pulse` between cells.
void keep_figures(const std::string& directory, const std::vector<Cell>& cells,
                  const std::function<void()>& pulse);

/// What cannot be read: "CELL, WHEN/TEST SET: reason".
std::vector<std::string> problems_of(const std::vector<CellFigures>& cells);

/// A figure and the metric that it is.
struct FigureColumn {
  const MetricDescription& metric;
  std::optional<double> CellFigures::*value;
};
const std::vector<FigureColumn>& figure_columns();

/// Every key that some cell has swept, in the order of the first that has it.
std::vector<std::string> swept_keys(const std::vector<CellFigures>& cells);

/// Whether the cells are of several jobs.
bool has_several_jobs(const std::vector<CellFigures>& cells);

}  // namespace apportion
