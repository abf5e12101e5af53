// The cells of a results folder with everything that a report or an export says of them, from its files
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

/// What a cell has swept: key, value.
using SweptValues = std::vector<std::pair<std::string, std::string>>;
/// Adds the keys that are not among `keys` yet.
void add_swept_keys(const SweptValues& swept, std::vector<std::string>& keys);
/// Nothing where the key is not among them.
std::optional<std::string> swept_value(const SweptValues& swept, const std::string& key);

/// What a cell has measured, by the index: "before" or "after" training, and of stories the judge who read
/// them. `task` is whose result it is.
struct MeasureName {
  std::string when, test_set, judge, task;
  /// "after/v2", or "after/v3/JUDGE".
  std::string text() const;
};

/// v2 first, then by name, then by judge, the lexical one first; before, then after. Of stories that a judge
/// has read there is a name for each judge, and none beside these.
std::vector<MeasureName> measures_of(const Cell& cell);

/// That which stands for the cell in a table of cells: the first test set, of a trained model after training;
/// nothing where that was not measured. It is the index's to say: a result that cannot be read, or is not
/// there, has no other one in its place.
std::optional<MeasureName> headline_of(const Cell& cell);

/// One measured test set of a cell: "before" or "after" training. `judge` is who read it: of stories that a
/// judge has read there is a view for each judge, and none beside these.
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
  std::string dataset, method, model, target;  // as the last task's configuration has them
  std::vector<MeasureView>
      measures;  // v2 first, then by name, then by judge, the lexical one first; before, then after
  std::vector<TrainView> training;  // in the order of their work
  std::optional<RetentionFile> retention;
  std::vector<std::string> problems;  // one line for each file that is absent or damaged

  /// The view of a test set, of several judges' the lexical one's; or nullptr.
  const MeasureView* measure(const std::string& when, const std::string& test_set) const;
  /// Of headline_of(cell); nullptr where nothing was measured, or where it cannot be read.
  const MeasureView* headline() const;
};

/// Two judges of the same stories.
struct JudgeAgreement {
  std::string when, test_set, one, other;
  Agreement agreement;
};
std::vector<JudgeAgreement> judge_agreements(const CellView& view);

/// Steps whose estimate of z was below 0, so that KTO's loss took 0 in its place.
int clamped_steps(const TrainLog& log);

/// All that the cell's files say.
CellView load_cell(const std::string& directory, const Cell& cell);
std::vector<CellView> load_cells(const std::string& directory, const std::vector<Cell>& cells);
/// Of all that the index has. Throws UserError when the directory holds no results.
std::vector<CellView> load_cells(const std::string& directory);

/// What stands for the cell in a table of cells, and no other file: the measure of headline_of(), and what
/// training changed elsewhere, as the store's read_..._figures() read them. Dataset, method, model and target
/// are those of cell.about.
CellView load_headline(const std::string& directory, const Cell& cell);

/// Adds "CELL, PROBLEM" for each.
void add_problems(const std::string& cell, const std::vector<std::string>& problems,
                  std::vector<std::string>& all);

/// What cannot be read of all cells: "CELL, WHEN/TEST SET: reason".
std::vector<std::string> problems_of(const std::vector<CellView>& cells);

/// Throws UserError, one line, when there are any.
void throw_if_any(const std::vector<std::string>& problems);

}  // namespace apportion
