// The sentences at the top of a page: what was asked, how well it came out, and what is not there.
#pragma once

#include <string>
#include <vector>

#include "coordinator/report/data/cell_figures.h"
#include "coordinator/report/data/report_data.h"

namespace apportion {

/// Of one cell, "What was asked" and "How well it came out".
std::string asked_of(const CellView& view);
std::string outcome_of(const CellView& view);

/// The same of several.
std::string asked_of(const std::vector<CellFigures>& cells);
std::string outcome_of(const std::vector<CellFigures>& cells);

/// A line for each job of the folder that is not done, for the first tasks that failed, and for the first
/// runs that are at work; what can be done about it. None of a folder whose runs are all done, or that no run
/// has worked in.
std::vector<std::string> missing_of(const std::string& directory);

/// A model as people call it: the last part of a path.
std::string short_name(const std::string& model);

}  // namespace apportion
