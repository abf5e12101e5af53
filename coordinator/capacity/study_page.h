// What `apportion scale` prints and draws: the figures of a study as a table of weak and strong scaling, as
// JSON, and as plots if gnuplot is installed.
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

/// A group's figures: a step takes as long as its slowest rank, and `seconds` is the median over the steps.
struct StepFigures {
  double seconds = 0;
  double tokens = 0, flops = 0;           // per step
  double peak_flops = 0;                  // of all ranks together
  std::optional<double> exposed_seconds;  // beyond the same step with the whole base here; 0 if nothing
                                          // moves, nothing if not measurable
  double base_bytes = 0, tensor_bytes = 0, process_bytes = 0;  // on the rank with the most
  double tokens_per_second() const { return tokens / seconds; }
  double peak_share() const { return flops / seconds / peak_flops; }
};
StepFigures figures_of(const StudyRow& row);

/// Tokens per second and rank, relative to the first row of the same shape and scaling.
double study_efficiency(const std::vector<StudyRow>& rows, const StudyRow& row);

/// Files besides the results, which the page names below the table.
struct StudyFiles {
  std::string coefficients;
  std::vector<std::string> plots;
};

std::string study_page(const std::vector<StudyRow>& rows, const StudyFiles& files, const Style& style);

/// All figures unrounded, including each rank's.
std::string study_json(const std::vector<StudyRow>& rows);

/// Writes DIR/scaling.dat and DIR/scaling.gp, and, if gnuplot runs, DIR/tokens.svg and DIR/efficiency.svg.
/// Returns the plots made.
std::vector<std::string> write_plots(const std::vector<StudyRow>& rows, const std::string& directory);

}  // namespace apportion
