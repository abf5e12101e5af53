// A sweep grouped by some of its keys: a row for each combination of their values, over everything else that
// was swept.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "coordinator/report/data/cell_figures.h"

namespace apportion {

/// A figure over those cells of a row that have it.
struct PivotFigure {
  double mean = 0, low = 0, high = 0;
  size_t cells = 0;
};

struct PivotRow {
  std::string job, test_set;
  std::vector<std::string> values;  // of the keys
  size_t cells = 0;
  /// In the order of figure_columns(); nothing if no cell has the figure.
  std::vector<std::optional<PivotFigure>> figures;
};

struct Pivot {
  std::vector<std::string> keys;
  std::vector<PivotRow> rows;
  size_t left_out = 0;               // cells that did not sweep all of the keys
  std::vector<std::string> missing;  // cells in rows whose headline has no readable result
};

/// Cells of different jobs or test sets never share a row. Rows follow the order of the keys' values: numbers
/// by size; other values in the sweep's order if every cell knows its place in it, else by text, with numbers
/// inside compared by size. Throws UserError, which names `directory`, for a key that no cell has swept.
Pivot pivot_by(const std::vector<std::string>& keys, const std::vector<CellFigures>& cells,
               const std::string& directory);

/// The cells' values of a swept key, each once, in the order of a pivot's rows.
std::vector<std::string> values_in_order(const std::string& key,
                                         const std::vector<const CellFigures*>& cells);

/// Whether `a` comes before `b` when digits inside them are compared as numbers.
bool natural_order(const std::string& a, const std::string& b);

}  // namespace apportion
