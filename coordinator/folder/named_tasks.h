// Which tasks of a results folder its jobs name: in plans, in cells of the index, and as inputs of those.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "shared/store/index.h"
#include "shared/store/plan_file.h"

namespace apportion {

/// The plans and cells of those jobs of a folder that count.
struct FolderJobs {
  std::vector<PlanFile> plans;
  std::vector<Cell> cells;
};

/// Reads all plans and cells of the folder; empty if it has neither plans nor an index. Throws DataError for
/// a damaged one.
FolderJobs read_folder_jobs(const std::string& directory);

/// A named task, with what its result says about it if there is one.
struct NamedTask {
  bool finished = false;
  bool by_cell = false;          // a cell links to it, so its result must be there
  bool reads_answers = false;    // trains or compares: may read what is kept in replay/
  bool reads_reference = false;  // trains: may read what is kept in reference/
};

/// Named tasks by id. Results of scaling studies, which have neither plan nor cell, count as named. Throws
/// DataError if a named result is damaged, since its inputs are then unknown.
std::map<std::string, NamedTask> named_tasks(const std::string& directory, const FolderJobs& jobs);

}  // namespace apportion
