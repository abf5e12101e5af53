// DIR/index.h5: links to the tasks' files and the cells of jobs; it can be rebuilt from the files at any
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

/// What a cell of a job was asked to do, which its tasks' files need not say: tasks may be other cells', too.
struct CellAbout {
  std::string dataset, method, model, target;              // as the configuration has them
  std::vector<std::pair<std::string, std::string>> swept;  // key, value; of a job that is no sweep none
  /// Of each test set [S][K], rows of NaN where unknown: the untouched model's result files have none.
  std::map<std::string, std::vector<std::vector<double>>> targets = {};
  /// Among the cells of its sweep, from 0, as the job file has them; older indexes do not say.
  std::optional<uint64_t> place = {};
};

/// A cell of a job: one dataset and method, or a sweep's values. `measures` maps "before/v2", "after/heldout"
/// to task ids; `training` maps "sft", "calibrate" to task ids, `judged` "after/v3/JUDGE".
struct Cell {
  std::string job, name;
  std::map<std::string, std::string> measures, training, judged = {};
  std::string retention = {};  // the task that compares the trained model with the untouched one; empty: none
  CellAbout about = {};        // all empty: not known
};

/// `text` as a cell's name has it: a slash, which would be a path in the index, is a colon.
std::string cell_name(std::string text);

/// Adds the cells to the index, in place of those of the same job and name: the whole file is rewritten and
/// renamed. It links every result below tasks/, too. Calls `pulse` now and then. Throws UserError for a name
/// that cannot be a path's part, and what `pulse` does.
void write_index(
    const std::string& directory, const std::vector<Cell>& cells, const std::function<void()>& pulse = [] {});

/// The same, and of the cells that there were none stays.
void replace_index(
    const std::string& directory, const std::vector<Cell>& cells, const std::function<void()>& pulse = [] {});

/// The cells of a sealed file as the index has them: groups and soft links into its /tasks, and their list.
void write_cells(
    Hdf5Writer& writer, const std::vector<Cell>& cells, const std::function<void()>& pulse = [] {});

/// All cells of the directory, by job and name: from the index, or where it is absent or damaged,
/// rebuild_cells(). Throws UserError when there are none.
std::vector<Cell> read_index(const std::string& directory);

/// The cell of that name, or of JOB/NAME. Throws UserError that names the results folder when there is none,
/// or one in several jobs.
Cell only_cell(const std::vector<Cell>& cells, const std::string& name, const std::string& directory);

/// The index's cells, by job and name; none where there is no index. Throws DataError for a damaged one.
std::vector<Cell> indexed_cells(const std::string& directory);

/// Ids of the tasks whose results the cell has.
std::set<std::string> tasks_of(const Cell& cell);

/// Ids of tasks with a result file, sorted; the files are not looked into.
std::vector<std::string> finished_tasks(const std::string& directory);

/// What is wrong with the result of a task that its file alone tells; empty: nothing.
std::string fault_of_result(const std::string& directory, const std::string& id);

/// Throws DataError when index.h5 is damaged or not an index.
void check_index(const std::string& directory);

/// The cells that the result files themselves tell of, as job "recovered", one for each training task that no
/// other continues, or for each data set that was only measured. Damaged result files are passed over.
std::vector<Cell> rebuild_cells(const std::string& directory);

}  // namespace apportion
