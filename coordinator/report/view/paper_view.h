// The tables for a paper or an issue: for one cell a row for each subject, for several a row for each cell.
#pragma once

#include <string>
#include <vector>

#include "coordinator/report/data/cell_figures.h"
#include "coordinator/report/view/subject_view.h"
#include "coordinator/report/view/table_view.h"

namespace apportion {

struct PaperView {
  std::vector<NotedTable> tables;
  std::vector<CellFigures> figures;  // of all cells
};

/// For a test set a row for each subject (with more than two categories for each of these, too) and one of
/// means: target, before, after, exact error, MAE with its deviation over subjects, floor. Shows at most
/// `most` subjects, and if that is not all, those furthest off, worst first.
NotedTable subjects_of_paper(const CellView& view, const SetView& set, size_t most);

/// For one cell a table for each test set, and one of its stories by judge. For several one table: dataset,
/// method and swept values, the target, the MAE before and after, exact error and floor. With `by` a row for
/// each combination of these swept keys. Loads one cell after another, so that thousands need not be in
/// memory at once. Throws UserError for a key that was not swept.
PaperView make_paper_view(const std::string& directory, const std::vector<Cell>& cells,
                          const std::vector<std::string>& by);

}  // namespace apportion
