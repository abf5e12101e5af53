// A sweep's results folder as a run would leave it, drawn from made-up models, for tests and the bench of
// what reads many cells.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "shared/store/index.h"

namespace apportion {

/// A swept key and its values, in the order that a job file would have.
using SampleAxis = std::pair<std::string, std::vector<std::string>>;

/// Writes the index and, as job "sweep", a cell for each combination of the axes' values, where the last axis
/// changes fastest; returns the cells in that order. Each cell has its own files for the trained model (v2
/// and retention), as large as those of a job like jobs/smoke.ini; all share the files for the untouched
/// model and both stages. The trained model of cell n (from 0) puts a share of n / 100 (at most 0.5) on
/// category 0 whatever the target, so a later cell has a larger error.
std::vector<Cell> write_sample_sweep(const std::string& directory, const std::vector<SampleAxis>& axes);

}  // namespace apportion
