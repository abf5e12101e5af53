// A sweep's cells, one line each: what was swept, how exact it came out, and what it cost the model.
#pragma once

#include <string>
#include <vector>

#include "coordinator/report/report_data.h"
#include "coordinator/report/style.h"

namespace apportion {

/// Whether the cells are a sweep's: some has swept values.
bool is_sweep(const std::vector<CellView>& cells);

/// The table, by exact error and then by MAE, cells without either last. A cell's figures are of v2 where it
/// was measured, else of its first test set, after training where it was trained.
std::string render_sweep(const Style& style, const std::vector<CellView>& cells);

}  // namespace apportion
