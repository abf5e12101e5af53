// A sweep's cells, one line each: what was swept, how exact it came out, and what it cost the model.
#pragma once

#include <string>
#include <vector>

#include "coordinator/report/cell_figures.h"
#include "coordinator/report/style.h"

namespace apportion {

/// The table, by exact error and then by MAE, cells without either last.
std::string render_sweep(const Style& style, const std::vector<CellFigures>& cells);

}  // namespace apportion
