// What a page of a results folder shows: all of a few cells; of many, their groups, the worst cells and where
// to find the rest.
#pragma once

#include <string>
#include <vector>

#include "coordinator/report/data/cell_figures.h"
#include "coordinator/report/view/sweep_plot.h"
#include "coordinator/report/view/table_view.h"

namespace apportion {

struct PageView {
  std::string directory, title;
  std::string asked, outcome;        // a sentence or two each; `outcome` empty: no results yet
  std::vector<std::string> missing;  // a line each
  std::vector<CellFigures> figures;  // of all cells
  std::vector<NotedTable> tables;    // for several cells: the cells and groups of them
  std::vector<SweepPlot> plots;
  std::vector<CellView> whole;    // the cells that are shown in full
  bool leaves_cells_out = false;  // `whole` does not have them all
  int refresh_s = 0;              // seconds after which browsers reload it; 0: never
};

/// Up to this many cells are all shown in full; of more, only this many of the worst.
inline constexpr size_t most_whole = 20;

/// Reads only the folder's files. A folder without results gets a page that says so. An empty `cell` means
/// all. Throws UserError for a missing directory and for a `cell` that the folder does not have.
PageView make_page_view(const std::string& directory, const std::string& cell = "");

}  // namespace apportion
