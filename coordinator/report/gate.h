// The conditions of --fail-if: which cells meet one, so that a script can stop on the report's exit code.
#pragma once

#include <string>
#include <vector>

#include "coordinator/report/data/cell_figures.h"

namespace apportion {

/// What the process ends with when a condition is met or cannot be judged; 1 to 3 are errors (base/error.h).
inline constexpr int gate_exit_code = 4;

enum class Comparison { above, at_least, below, at_most };

/// "error > 0.02".
struct GateCondition {
  std::string metric;  // one of gate_metrics()
  Comparison comparison = Comparison::above;
  double limit = 0;
  std::string text;  // as it was given
};

/// error (the exact error, else the MAE), worst, mae, leak, kl, perplexity.
std::vector<std::string> gate_metrics();

/// METRIC OPERATOR NUMBER, blanks between them or not; OPERATOR is >, >=, < or <=. Throws UserError, one
/// line, for another text.
GateCondition parse_condition(const std::string& text);

/// A line for each cell and condition that it meets: cell, value and limit; and one where the cell has no
/// such figure, or has an error of some of its subjects only: what cannot be judged has not passed.
std::vector<std::string> failures_of(const std::vector<GateCondition>& conditions,
                                     const std::vector<CellFigures>& cells);

}  // namespace apportion
