// What `apportion scale` prints and draws: the figures of a study as a table of weak and strong scaling, as
// JSON, and as plots where gnuplot is installed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "coordinator/capacity/prediction.h"
#include "coordinator/capacity/study.h"
#include "coordinator/report/style.h"
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

/// Files besides the results, to be named below the table.
struct StudyFiles {
  std::string coefficients;
  std::vector<std::string> plots;
};

std::string study_page(const std::vector<StudyRow>& rows, const StudyFiles& files, const Style& style);

/// All figures in full, with each rank's.
std::string study_json(const std::vector<StudyRow>& rows);

/// DIR/scaling.dat and DIR/scaling.gp, and where gnuplot runs DIR/tokens.svg and DIR/efficiency.svg. Returns
/// the plots that were made.
std::vector<std::string> write_plots(const std::vector<StudyRow>& rows, const std::string& directory);

}  // namespace apportion
