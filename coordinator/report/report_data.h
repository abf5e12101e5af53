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
  /// That which stands for the cell in a table of cells: the first test set, after training where it was
  /// trained; nullptr where nothing was measured.
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

/// Throws UserError when the directory holds no results.
std::vector<CellView> load_cells(const std::string& directory);

/// What cannot be read of all cells: "CELL, WHEN/TEST SET: reason".
std::vector<std::string> problems_of(const std::vector<CellView>& cells);

/// Throws UserError, one line, when there are any.
void throw_if_any(const std::vector<std::string>& problems);

}  // namespace apportion
