// How the error depends on what was swept: a point for each cell, a line of means for each method.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "coordinator/report/data/cell_figures.h"

namespace apportion {

struct SweptLine {
  std::string name;                                      // the method's; empty if there is only one
  std::vector<std::pair<double, double>> points, means;  // position of the value, error
};

struct SweepPlot {
  std::string key;
  bool is_numeric = false;                             // positions are the values, else their order from 0
  std::vector<std::pair<double, std::string>> values;  // positions and texts
  std::vector<SweptLine> lines;
};

/// One plot for each key with at least two values among the cells. A cell's error is its exact error, or its
/// MAE if it has none. `seed` is plotted only if nothing else was swept.
std::vector<SweepPlot> sweep_plots(const std::vector<CellFigures>& cells);

}  // namespace apportion
