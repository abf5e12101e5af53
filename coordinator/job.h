// A whole run as the coordinator sees it: read datasets and model, plan, have done what is not there yet,
// write the index, print the report, let the ranks go. One job, or all cells of a sweep: their tasks are one
// list.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "coordinator/restarts.h"
#include "shared/config/command/command_line.h"
#include "shared/config/run_config.h"
#include "shared/link/link.h"

namespace apportion {

/// What the coordinator has to be told of the side that computes.
struct JobEnvironment {
  std::string name;  // the job's name in the index
  int ranks = 1;
  double silence_limit_s = 0;  // as CoordinatorOptions
  /// What the ranks compute in: "float32" or "bfloat16".
  std::function<std::string(ComputeType)> resolved_type = [](ComputeType) { return "float32"; };
  const Restarts* restarts = nullptr;  // of leave_in_order; null: another start always helps
  /// Called when the folder has the job's plan: from then on its page says what is missing and why.
  std::function<void()> began = [] {};
};

/// What `action` throws names the cell, where it has a name.
void in_cell(const JobCell& cell, const std::function<void()>& action);

/// Runs the job, or all cells of a sweep, over `link` (the coordinator's end) and prints the folder's report
/// to standard output; its page is the caller's to leave, also where this throws. Mistakes in any cell show
/// before the first task runs, and nothing is written then.
/// Throws UserError for the user's mistakes, what Coordinator::run throws, and when all else is done
/// LeftInOrder for cells of which a task failed.
void run_job(Link& link, const std::vector<JobCell>& cells, const JobEnvironment& environment);

}  // namespace apportion
