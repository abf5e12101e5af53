// A whole run as the coordinator sees it: read datasets and model, plan, have the missing tasks done, write
// the index, print the report, let the ranks go. It runs one job, or all cells of a sweep as one list of
// tasks.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "coordinator/restarts.h"
#include "shared/config/command/command_line.h"
#include "shared/config/run_config.h"
#include "shared/link/link.h"

namespace apportion {

/// What the coordinator needs to know about the side that computes.
struct JobEnvironment {
  std::string name;  // the job's name in the index
  int ranks = 1;
  double silence_limit_s = 0;  // see CoordinatorOptions
  /// The type that the ranks compute in: "float32" or "bfloat16".
  std::function<std::string(ComputeType)> resolved_type = [](ComputeType) { return "float32"; };
  const Restarts* restarts = nullptr;  // for leave_in_order; null: another start always helps
  /// Called once the folder has the job's plan: from then on its page says what is missing and why.
  std::function<void()> began = [] {};
};

/// Runs `action` and adds the cell's name, if it has one, to any error that it throws.
void in_cell(const JobCell& cell, const std::function<void()>& action);

/// Runs the job, or all cells of a sweep, over `link` (the coordinator's end) and prints the folder's report
/// to standard output. The caller writes the folder's page, also if this throws. Mistakes in any cell show
/// before the first task runs, and then nothing is written.
/// Throws UserError for the user's mistakes, what Coordinator::run throws, and LeftInOrder, once all else is
/// done, for cells in which a task failed.
void run_job(Link& link, const std::vector<JobCell>& cells, const JobEnvironment& environment);

}  // namespace apportion
