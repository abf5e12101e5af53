// A sweep: the section [sweep] of a job file, in which each key has a list of values, and the cells that it
// stands for. docs/sweeps.md is for users.
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

/// The source of a setting that was typed there.
inline constexpr const char* command_line_source = "command line";

/// More are refused: nobody means them.
inline constexpr size_t most_cells = 100'000;

/// The cells of the section's lines, the last line's values changing fastest: `key = LIST`, `zip = key, key`
/// and `exclude = key = value, key = value`. A LIST has values with commas between, among them `a..b`, `a..b
/// step c`, and of `target` `N steps from A to B` (A and B are real and even). Throws UserError "SOURCE: ..."
/// for a key that is unknown or changes no result, an empty range, a value that is there twice, zipped lists
/// of several lengths, an exclusion that meets no cell, no cell at all, and more than most_cells.
std::vector<SweepCell> sweep_cells(const std::vector<Setting>& lines);

/// One job of a sweep, or the only one there is.
struct JobCell {
  std::string name;                                        // of the index; empty: dataset and method
  std::vector<std::pair<std::string, std::string>> swept;  // key, value
  RunConfig config;
};

/// The configuration of each cell, the swept values over `settings`; of no sweep the one job.
std::vector<JobCell> job_cells(const std::vector<Setting>& settings, const std::vector<SweepCell>& sweep);

}  // namespace apportion
