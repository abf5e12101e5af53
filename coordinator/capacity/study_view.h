// The figures of a scaling study as all its forms show them: of each measurement, as a table, as charts and
// in a sentence. What is printed is study_page.h's, its page for a browser study_html.h's.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/capacity/prediction.h"
#include "coordinator/capacity/study.h"
#include "coordinator/report/view/table_view.h"
#include "shared/store/task_file.h"

namespace apportion {

struct StudyRow {
  StudyPoint point;
  ScaleFile file;
  StepPrediction expected;
};

/// Of a group: a step takes as long as its slowest rank; of the steps the median.
struct StepFigures {
  double seconds = 0;
  double tokens = 0, flops = 0;           // of a step
  double peak_flops = 0;                  // of all ranks together
  std::optional<double> exposed_seconds;  // beyond the same step with all of the base here; 0 where nothing
                                          // moves, nothing where it could not be measured
  double base_bytes = 0, tensor_bytes = 0, process_bytes = 0;  // of the rank with the most
  double tokens_per_second() const { return tokens / seconds; }
  double peak_share() const { return flops / seconds / peak_flops; }
};
StepFigures figures_of(const StudyRow& row);

/// Tokens per second and rank against the first row of the same shape and scaling.
double study_efficiency(const std::vector<StudyRow>& rows, const StudyRow& row);

/// A row for each measurement.
TableView study_table(const std::vector<StudyRow>& rows);

/// The measurements of one shape, scaling and shard size, by their number of ranks.
struct StudyLine {
  std::string name;                                                                // "350m, shards 1"
  std::vector<std::pair<double, double>> tokens_per_second, expected, efficiency;  // ranks, figure
};

/// The lines of one scaling, in the order of the rows.
std::vector<StudyLine> study_lines(const std::vector<StudyRow>& rows, Scaling scaling);

/// "how fast training steps of 2 shapes are on 1, 2, 4 ranks, in weak and strong scaling."
std::string study_asked(const std::vector<StudyRow>& rows);

/// How efficient the most ranks are, and how far the cost model is off.
std::string study_outcome(const std::vector<StudyRow>& rows);

}  // namespace apportion
