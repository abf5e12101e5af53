// The few figures that stand for a cell among many: how far off its answers are, and what must not change.
// Sweep tables, the pivot and the conditions of --fail-if use them. report_data.h has a cell in full.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/report/data/report_data.h"
#include "shared/measure/metric_table.h"

namespace apportion {

/// Errors are those of headline_of(): the first test set, for a trained model after training.
struct CellFigures {
  std::string job, name, dataset, method;  // the last two from the index, else from the files
  SweptValues swept;
  std::optional<uint64_t> place;  // its number in its sweep, from 0; unknown for older files
  std::string when, test_set;     // of the errors; empty where nothing was measured
  bool readable = false;          // whether that result could be read
  /// Means over subjects, 0 to 1; `worst` is the worst subject's exact error.
  std::optional<double> exact_error, worst, mae, floor;
  /// Subjects whose target is known, and how many of them have an exact error and an MAE: a mean over fewer
  /// flatters.
  int subjects = 0, with_exact = 0, with_mae = 0;
  /// On unrelated prompts: the leak that training added (a probability) and the KL from the untouched model
  /// (nats per token). On a plain text: perplexity as a multiple of the untouched model's.
  std::optional<double> leak, kl, perplexity;
  std::vector<std::string> problems;  // a line for each unreadable file
};

CellFigures figures_of(const CellView& view);

/// The same from the headline's files alone, one cell after another.
std::vector<CellFigures> load_figures(const std::string& directory, const std::vector<Cell>& cells);

/// Caches the figures of cells that have become complete, so that the first report need not read their files.
/// A run does this as it goes, under the lease of the index. Calls `pulse` between cells.
void keep_figures(const std::string& directory, const std::vector<Cell>& cells,
                  const std::function<void()>& pulse);

/// What could not be read: "CELL, WHEN/TEST SET: reason".
std::vector<std::string> problems_of(const std::vector<CellFigures>& cells);

/// A figure's metric and the member that holds its value.
struct FigureColumn {
  const MetricDescription& metric;
  std::optional<double> CellFigures::*value;
};
const std::vector<FigureColumn>& figure_columns();

/// Every key that some cell has swept, in the order of first appearance.
std::vector<std::string> swept_keys(const std::vector<CellFigures>& cells);

/// Whether the cells belong to several jobs.
bool has_several_jobs(const std::vector<CellFigures>& cells);

}  // namespace apportion
