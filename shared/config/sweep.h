// A sweep: a job file's section [sweep], where each key has a list of values, and the cells that it stands
// for. docs/sweeps.md is the user's guide.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "shared/config/run_config.h"

namespace apportion {

/// One job of a sweep: a value for each swept key, in the order of the lines. `name` is "target=even,
/// seed=1".
struct SweepCell {
  std::string name;
  std::vector<Setting> settings;
};

/// The source of a setting typed on the command line.
inline constexpr const char* command_line_source = "command line";

/// More cells are refused: nobody means that many.
inline constexpr size_t most_cells = 100'000;

/// The cells of the section's lines; the last line's values change fastest. Lines are `key = LIST`, `zip =
/// key, key` and `exclude = key = value, key = value`. A LIST has values between commas, among them `a..b`,
/// `a..b step c`, and for `target` `N steps from A to B` (A and B are real and even, in either order). Throws
/// UserError "SOURCE: ..." for a key that is unknown or changes no result, an empty range, a repeated value,
/// zipped lists of different lengths, an exclusion that meets no cell, a sweep without cells, and more than
/// most_cells.
std::vector<SweepCell> sweep_cells(const std::vector<Setting>& lines);

/// One job of a sweep, or the only job.
struct JobCell {
  std::string name;                                        // in the index; empty: dataset and method
  std::vector<std::pair<std::string, std::string>> swept;  // key, value
  RunConfig config;
};

/// The configuration of each cell, its swept values over `settings`; without a sweep, the one job.
std::vector<JobCell> job_cells(const std::vector<Setting>& settings, const std::vector<SweepCell>& sweep);

}  // namespace apportion
