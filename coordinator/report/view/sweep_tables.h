// The tables of many cells: a line each, or a row for each combination of some swept keys' values.
#pragma once

#include <vector>

#include "coordinator/report/data/cell_figures.h"
#include "coordinator/report/data/pivot.h"
#include "coordinator/report/view/table_view.h"

namespace apportion {

/// A row for each cell, sorted by exact error, then by MAE; cells without either come last.
TableView sweep_table(const std::vector<CellFigures>& cells);

/// A row for each cell with its name, and dataset and method if these differ, best first; if there are more
/// than `most` cells, only the worst `most`, worst first.
TableView cells_table(const std::vector<CellFigures>& cells, size_t most);

/// Cells sorted by exact error, then by MAE; cells without either come last.
std::vector<const CellFigures*> by_error(const std::vector<CellFigures>& cells);

/// Means (with the number of cells, if not all of a row's cells have one), and below them lowest to highest
/// if these differ.
TableView pivot_table(const Pivot& pivot);

/// One line for what a pivot leaves out, one for what is missing in it; empty if there is nothing.
std::string left_out_line(const Pivot& pivot);
std::string missing_line(const Pivot& pivot);

}  // namespace apportion
