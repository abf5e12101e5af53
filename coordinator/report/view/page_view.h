// What a page of a results folder shows: of a few cells all, of many groups, the worst, and where the rest
// stands.
#pragma once

#include <string>
#include <vector>

#include "coordinator/report/data/cell_figures.h"
#include "coordinator/report/view/sweep_plot.h"
#include "coordinator/report/view/table_view.h"

namespace apportion {

struct PageView {
  std::string directory, title;
  std::string asked, outcome;        // a sentence or two each; `outcome` empty: nothing is there yet
  std::vector<std::string> missing;  // a line each
  std::vector<CellFigures> figures;  // of all cells
  std::vector<NotedTable> tables;    // of several cells: these, and groups of them
  std::vector<SweepPlot> plots;
  std::vector<CellView> whole;    // the cells that are shown whole
  bool leaves_cells_out = false;  // `whole` are not all
  int refresh_s = 0;              // seconds after which a browser is to read it again; 0: never
};

/// Of so many cells at most all are shown whole, and else as many of the worst.
inline constexpr size_t most_whole = 20;

/// From the folder's files alone. A folder without results has a page that says so. Throws UserError for a
/// directory that is not there, and for a `cell` that is none of its; empty: all.
PageView make_page_view(const std::string& directory, const std::string& cell = "");

}  // namespace apportion
