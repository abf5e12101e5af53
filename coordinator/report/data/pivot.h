// A sweep by some of its keys: a row for each combination of their values, over all that else was swept.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "coordinator/report/data/cell_figures.h"

namespace apportion {

/// A figure over the cells of a row that have it.
struct PivotFigure {
  double mean = 0, low = 0, high = 0;
  size_t cells = 0;
};

struct PivotRow {
  std::string job, test_set;
  std::vector<std::string> values;  // of the keys
  size_t cells = 0;
  /// In the order of figure_columns(); nothing where no cell has it.
  std::vector<std::optional<PivotFigure>> figures;
};

struct Pivot {
  std::vector<std::string> keys;
  std::vector<PivotRow> rows;
  size_t left_out = 0;               // cells that have not swept all of the keys
  std::vector<std::string> missing;  // cells of rows whose headline has no result that can be read
};

/// Cells of several jobs or test sets never share a row. Rows are in the order of the keys' values: numbers
/// by size; else as the sweep has them where every cell knows its place in it; else with the numbers inside
/// texts by size. Throws UserError for a key that no cell has swept; `directory` is named there.
Pivot pivot_by(const std::vector<std::string>& keys, const std::vector<CellFigures>& cells,
               const std::string& directory);

/// The values that cells have of a swept key, each once, in the order of a pivot's rows.
std::vector<std::string> values_in_order(const std::string& key,
                                         const std::vector<const CellFigures*>& cells);

/// `a` before `b`: digits inside them as numbers.
bool natural_order(const std::string& a, const std::string& b);

}  // namespace apportion
