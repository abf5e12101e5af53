// A whole run as the coordinator sees it: lock the results' directory, read dataset and model, plan, see what
// is there already, have the rest done, write the index, print the report, let the ranks go.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "shared/config/run_config.h"
#include "shared/link/link.h"

namespace apportion {

/// What the coordinator has to be told of the side that computes.
struct JobEnvironment {
  std::string name;  // the job's name in the index
  int ranks = 1;
  double silence_limit_s = 0;                            // as CoordinatorOptions
  std::string train_compute_type, measure_compute_type;  // resolved: "float32" or "bfloat16"
  std::string cell = {};                                 // the cell's name; empty: by dataset and method
  std::vector<std::pair<std::string, std::string>> swept = {};  // its key, value
  std::optional<uint64_t> place = {};                           // its number in the sweep, from 0
  std::set<std::string>* done =
      nullptr;          // ids of tasks that earlier cells of this run have done: not done again
  bool reports = true;  // whether the folder's report follows: after the last cell
};

/// Throws what is wrong with the job that can be told before it runs; writes nothing.
void check_job(const RunConfig& config, const JobEnvironment& environment);

/// Runs the job, or one cell of a sweep, over `link` (the coordinator's end) and prints the folder's report
/// to standard output. Throws UserError for the user's mistakes and for a directory in use, and what
/// Coordinator::run throws.
void run_job(Link& link, const RunConfig& config, const JobEnvironment& environment);

}  // namespace apportion
