// The conditions of --fail-if: finds the cells that meet one, so that a script can stop on the report's exit
// code.
#pragma once

#include <string>
#include <vector>

#include "coordinator/report/data/cell_figures.h"

namespace apportion {

/// The exit code when a condition is met or cannot be judged; 1 to 3 are errors (base/error.h).
inline constexpr int gate_exit_code = 4;

enum class Comparison { above, at_least, below, at_most };

/// "error > 0.02".
struct GateCondition {
  std::string metric;  // one of gate_metrics()
  Comparison comparison = Comparison::above;
  double limit = 0;
  std::string text;  // as the user wrote it
};

/// error (the exact error, else the MAE), worst, mae, leak, kl, perplexity.
std::vector<std::string> gate_metrics();

/// Parses METRIC OPERATOR NUMBER, with or without blanks between them; OPERATOR is >, >=, < or <=. Throws
/// UserError, one line, for any other text.
GateCondition parse_condition(const std::string& text);

/// A line (cell, value, limit) for each condition that a cell meets. Also one if the cell lacks the figure,
/// or has an error for only some of its subjects: what cannot be judged has not passed.
std::vector<std::string> failures_of(const std::vector<GateCondition>& conditions,
                                     const std::vector<CellFigures>& cells);

}  // namespace apportion
