// DIR/index.h5: links to the tasks' files and the cells of jobs; it can be rebuilt from the files at any time.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace apportion {

/// A cell of a job: one dataset and method. `measures` maps "before/v2", "after/heldout" to task ids;
/// `training` maps "sft", "calibrate" to task ids.
struct Cell {
  std::string job, name;
  std::map<std::string, std::string> measures, training;
};

/// Adds (or replaces) the job's cells in the index: the whole file is rewritten and renamed.
void write_index(const std::string& directory, const std::vector<Cell>& cells);
/// All cells in the index. Throws UserError when the directory holds none.
std::vector<Cell> read_index(const std::string& directory);

}  // namespace apportion
