// The cells of a folder as a CSV (RFC 4180), a row each, also those that a page of many cells leaves out.
#pragma once

#include <string>
#include <vector>

#include "coordinator/report/data/cell_figures.h"

namespace apportion {

/// Columns: job, cell, dataset, method, when, test_set, swept keys (swept_KEY if another column has the
/// name), and each figure under its metric's name, unrounded; empty if the cell lacks it.
std::string cells_csv(const std::vector<CellFigures>& cells);

}  // namespace apportion
