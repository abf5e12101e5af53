// DIR/index.h5: links to the tasks' files, and the cells of jobs. It can be rebuilt from those files at any
// time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace apportion {

class Hdf5Writer;

/// What a cell of a job was asked to do. Its tasks' files need not say: other cells may share the tasks.
struct CellAbout {
  std::string dataset, method, model, target;              // as the configuration has them
  std::vector<std::pair<std::string, std::string>> swept;  // key, value; none without a sweep
  /// [S][K] of each test set, with rows of NaN where unknown: the untouched model's result files have no
  /// targets.
  std::map<std::string, std::vector<std::vector<double>>> targets = {};
  /// Place among the cells of its sweep, from 0, in the job file's order; older indexes do not say.
  std::optional<uint64_t> place = {};
};

/// A cell of a job: one dataset and method, or a sweep's values. `measures` maps "before/v2", "after/heldout"
/// to task ids; `training` maps "sft", "calibrate" to task ids, `judged` "after/v3/JUDGE".
struct Cell {
  std::string job, name;
  std::map<std::string, std::string> measures, training, judged = {};
  std::string retention = {};  // the task that compares the trained model with the untouched one; empty: none
  CellAbout about = {};        // all empty: unknown
};

/// `text` as a cell's name: colons replace slashes, which would be paths in the index.
std::string cell_name(std::string text);

/// Adds the cells to the index, replacing those of the same job and name: rewrites and renames the whole
/// file. Also links every result below tasks/. Calls `pulse` now and then. Throws UserError for a name that
/// cannot be part of a path, and whatever `pulse` throws.
void write_index(
    const std::string& directory, const std::vector<Cell>& cells, const std::function<void()>& pulse = [] {});

/// The same, but drops all cells that were there.
void replace_index(
    const std::string& directory, const std::vector<Cell>& cells, const std::function<void()>& pulse = [] {});

/// Writes cells into a file to be sealed, as the index has them: groups and soft links into its /tasks, and
/// their list.
void write_cells(
    Hdf5Writer& writer, const std::vector<Cell>& cells, const std::function<void()>& pulse = [] {});

/// All cells of the directory, by job and name: from the index, or from rebuild_cells() when it is missing or
/// damaged. Throws UserError when there are none.
std::vector<Cell> read_index(const std::string& directory);

/// The cell called `name`, or JOB/NAME. Throws UserError that names the results folder when there is none, or
/// when several jobs have one.
Cell only_cell(const std::vector<Cell>& cells, const std::string& name, const std::string& directory);

/// The index's cells, by job and name; none without an index. Throws DataError for a damaged one.
std::vector<Cell> indexed_cells(const std::string& directory);

/// Ids of the tasks whose results the cell has.
std::set<std::string> tasks_of(const Cell& cell);

/// Ids of tasks with a result file, sorted; does not look into the files.
std::vector<std::string> finished_tasks(const std::string& directory);

/// What is wrong with a task's result as far as its file alone tells; empty: nothing.
std::string fault_of_result(const std::string& directory, const std::string& id);

/// Throws DataError when index.h5 is damaged or not an index.
void check_index(const std::string& directory);

/// The cells that the result files themselves reveal, as job "recovered": one for each training task that no
/// other continues, and for each dataset that was only measured. Skips damaged result files.
std::vector<Cell> rebuild_cells(const std::string& directory);

}  // namespace apportion
