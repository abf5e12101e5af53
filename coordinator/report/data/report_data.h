// The cells of a results folder with everything that a report or an export says about them, from its files
// alone.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "shared/measure/agreement.h"
#include "shared/measure/metrics.h"
#include "shared/store/index.h"
#include "shared/store/task_file.h"

namespace apportion {

/// The keys that a cell has swept, with its values.
using SweptValues = std::vector<std::pair<std::string, std::string>>;
/// Adds the keys that are not among `keys` yet.
void add_swept_keys(const SweptValues& swept, std::vector<std::string>& keys);
/// Nothing if the key is not among them.
std::optional<std::string> swept_value(const SweptValues& swept, const std::string& key);

/// Something the cell has measured, according to the index: "before" or "after" training, and for stories the
/// judge that read them. `task` is the task with the result.
struct MeasureName {
  std::string when, test_set, judge, task;
  /// "after/v2", or "after/v3/JUDGE".
  std::string text() const;
};

/// Sorted: v2 first, then by name, then by judge, the lexical one first; before, then after. Stories that
/// judges have read have one name per judge and no other.
std::vector<MeasureName> measures_of(const Cell& cell);

/// The measurement that stands for the cell in a table of cells: the first test set, for a trained model
/// after training; nothing if that was not measured. The index decides: if the result is missing or
/// unreadable, no other one replaces it.
std::optional<MeasureName> headline_of(const Cell& cell);

/// One measured test set of a cell, "before" or "after" training. `judge` is who read it: stories that judges
/// have read have one view per judge and no other.
struct MeasureView {
  std::string when, test_set, judge;
  MeasureFile file;
  DatasetMetrics metrics;
};

/// "v3, lexical": the test set and who read it.
std::string set_name(const MeasureView& view);

/// One training task of a cell: "sft" or "calibrate".
struct TrainView {
  std::string kind;
  TrainFile file;
};

struct CellView {
  Cell cell;
  std::string dataset, method, model, target;  // from the last task's configuration
  std::vector<MeasureView>
      measures;  // v2 first, then by name, then by judge, the lexical one first; before, then after
  std::vector<TrainView> training;  // in the order in which they ran
  std::optional<RetentionFile> retention;
  std::vector<std::string> problems;  // a line for each missing or damaged file

  /// The view of a test set, the lexical judge's if there are several; nullptr if there is none.
  const MeasureView* measure(const std::string& when, const std::string& test_set) const;
  /// The view of headline_of(cell); nullptr if nothing was measured or it cannot be read.
  const MeasureView* headline() const;
};

/// How far two judges of the same stories agree.
struct JudgeAgreement {
  std::string when, test_set, one, other;
  Agreement agreement;
};
std::vector<JudgeAgreement> judge_agreements(const CellView& view);

/// The number of steps whose estimate of z was below 0, so that KTO's loss used 0 instead.
int clamped_steps(const TrainLog& log);

/// Everything in the cell's files.
CellView load_cell(const std::string& directory, const Cell& cell);
std::vector<CellView> load_cells(const std::string& directory, const std::vector<Cell>& cells);
/// The same for all cells of the index. Throws UserError when the directory holds no results.
std::vector<CellView> load_cells(const std::string& directory);

/// Only what a table of cells needs, reading no other file: the measure of headline_of() and what training
/// changed elsewhere, through the store's read_..._figures(). Dataset, method, model and target come from
/// cell.about.
CellView load_headline(const std::string& directory, const Cell& cell);

/// Appends "CELL, PROBLEM" for each problem.
void add_problems(const std::string& cell, const std::vector<std::string>& problems,
                  std::vector<std::string>& all);

/// What could not be read, for all cells: "CELL, WHEN/TEST SET: reason".
std::vector<std::string> problems_of(const std::vector<CellView>& cells);

/// Throws UserError, one line, if there are any.
void throw_if_any(const std::vector<std::string>& problems);

}  // namespace apportion
