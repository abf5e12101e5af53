// Which tasks of a results folder its jobs name: by plans, by cells of the index, and as inputs of such a
// task.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "shared/store/index.h"
#include "shared/store/plan_file.h"

namespace apportion {

/// Those jobs of a folder that count.
struct FolderJobs {
  std::vector<PlanFile> plans;
  std::vector<Cell> cells;
};

/// All of the folder; none where it has neither plans nor an index. Throws DataError for a damaged one.
FolderJobs read_folder_jobs(const std::string& directory);

/// A task that is named; what its result says of it where it has one.
struct NamedTask {
  bool finished = false;
  bool by_cell = false;          // a cell links to it, so that its result must be there
  bool reads_answers = false;    // trains or compares: may read what is kept in replay/
  bool reads_reference = false;  // trains: may read what is kept in reference/
};

/// By id. Results of scaling studies, which have neither plan nor cell, count as named. Throws DataError
/// where a named result is damaged: its inputs cannot be told then.
std::map<std::string, NamedTask> named_tasks(const std::string& directory, const FolderJobs& jobs);

}  // namespace apportion
