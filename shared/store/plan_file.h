// DIR/plans/JOB.json: which cells and tasks a job has, so that others can tell what is done, at work and
// still waiting. Written when a run begins; a job is what its last run was.
#pragma once

#include <string>
#include <vector>

namespace apportion {

struct PlannedTask {
  std::string id, label;
  size_t cell = 0;  // the first that has it
};

struct PlanFile {
  std::string job;
  std::vector<std::string> cells;  // names; one empty name without a sweep
  std::vector<PlannedTask> tasks;
};

/// DIR/plans/JOB.json.
std::string plan_path(const std::string& directory, const std::string& job);

/// Replaces the job's file. Throws UserError with the system's reason.
void write_plan_file(const std::string& directory, const PlanFile& plan);

/// All plans in the folder, by job. Throws DataError for a damaged one.
std::vector<PlanFile> read_plan_files(const std::string& directory);

}  // namespace apportion
