// A made-up scaling study with samples for every point of a configuration, for tests of what plans, prints
// and fits studies.
#pragma once

#include <vector>

#include "coordinator/capacity/study_view.h"

namespace apportion {

/// What `rank` might measure for the task: a step of group rank R takes `seconds` * (1 + R / 10), and with a
/// resident base a tenth of `seconds` less.
StepSample sample_step(double seconds, int rank, int steps);

/// One row for each of study_points(config, "float32"); a step of R ranks with M micro-batches takes
/// 1 s * M / R on the first rank.
std::vector<StudyRow> sample_study(const RunConfig& config);

}  // namespace apportion
