// The tables of many cells: a line each, or a row for each combination of some swept keys' values.
#pragma once

#include <vector>

#include "coordinator/report/data/cell_figures.h"
#include "coordinator/report/data/pivot.h"
#include "coordinator/report/view/table_view.h"

namespace apportion {

/// A row for each cell, by exact error and then by MAE, cells without either last.
TableView sweep_table(const std::vector<CellFigures>& cells);

/// A row for each cell by its name, with dataset and method where these differ, best first; of more than
/// `most` cells the worst `most`, worst first.
TableView cells_table(const std::vector<CellFigures>& cells, size_t most);

/// Cells by exact error and then by MAE, cells without either last.
std::vector<const CellFigures*> by_error(const std::vector<CellFigures>& cells);

/// Means, with how many of the row's cells have one where not all do, and below them lowest to highest where
/// they differ.
TableView pivot_table(const Pivot& pivot);

/// A line each for what a pivot leaves out and for what is missing in it; empty where there is nothing.
std::string left_out_line(const Pivot& pivot);
std::string missing_line(const Pivot& pivot);

}  // namespace apportion
