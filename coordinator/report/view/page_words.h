// The sentences at the top of a page: what was asked, how well it came out, and what is missing.
#pragma once

#include <string>
#include <vector>

#include "coordinator/report/data/cell_figures.h"
#include "coordinator/report/data/report_data.h"

namespace apportion {

/// For one cell: "What was asked" and "How well it came out".
std::string asked_of(const CellView& view);
std::string outcome_of(const CellView& view);

/// The same for several cells.
std::string asked_of(const std::vector<CellFigures>& cells);
std::string outcome_of(const std::vector<CellFigures>& cells);

/// A line for each unfinished job of the folder, for the first tasks that failed, and for the first runs at
/// work, with what can be done about it. Empty if all runs are done or no run has worked in the folder.
std::vector<std::string> missing_of(const std::string& directory);

/// A model's short name: the last part of its path.
std::string short_name(const std::string& model);

}  // namespace apportion
