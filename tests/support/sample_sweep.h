// A sweep's results folder as a run would leave it, drawn from made-up models: for tests and the bench of
// what reads many cells.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "shared/store/index.h"

namespace apportion {

/// A swept key and its values, in the order in which a job file would have them.
using SampleAxis = std::pair<std::string, std::vector<std::string>>;

/// Writes a cell for each combination of the axes' values, the last one's changing fastest, as job "sweep",
/// and the index; returns the cells in that order. Each has files of its own of the trained model (v2 and
/// retention), of the sizes that a job like jobs/smoke.ini gives them; the untouched model's and both
/// stages' are shared by all. The trained model of cell n (from 0) puts a share of n / 100 (at most 0.5) on
/// category 0 whatever the target, so a later cell is further off.
std::vector<Cell> write_sample_sweep(const std::string& directory, const std::vector<SampleAxis>& axes);

}  // namespace apportion
