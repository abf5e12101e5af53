// The tables of a paper, or of an issue: of one cell a row for each subject, of several a row for each of
// them.
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

/// Of a test set a row for each subject, of more than two categories for each of these, too, and the means:
/// target, before, after, exact error, MAE with its deviation over subjects, floor. `most` subjects, the
/// furthest off first where that are not all.
NotedTable subjects_of_paper(const CellView& view, const SetView& set, size_t most);

/// Of one cell a table for each test set. Of several one table: dataset, method and what was swept, the
/// target, the MAE before and after, exact error and floor. With `by` a row for each combination of these
/// swept keys. Cells are loaded one after the other, so that thousands need not be in memory at once. Throws
/// UserError for a key that was not swept.
PaperView make_paper_view(const std::string& directory, const std::vector<Cell>& cells,
                          const std::vector<std::string>& by);

}  // namespace apportion
