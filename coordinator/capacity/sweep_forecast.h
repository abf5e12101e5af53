// What a job or sweep still has to do in its results folder, and what that takes: `apportion plan SWEEP.ini`.
// Runs and writes nothing. Finished tasks show how long the rest will take; until there are some the cost
// model does (shared/model). sweep_page.h prints it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "coordinator/job.h"
#include "shared/config/command/command_line.h"
#include "shared/model/job_size.h"
#include "shared/model/machine.h"

namespace apportion {

/// Tasks of one sort: "before, v2", "stage 1".
struct TaskSort {
  std::string label;
  size_t tasks = 0, done = 0;  // of all cells, each counted once
  size_t measured = 0;         // done tasks whose seconds are in the journals
  double measured_s = 0;       // of these tasks, times their ranks
  double modelled_s = 0;       // the same by the cost model
  double left_s = 0;           // of what is not done, times ranks

  /// The factor to apply to the cost model's seconds.
  double scale() const { return measured_s > 0 && modelled_s > 0 ? measured_s / modelled_s : 1; }
};

struct SweepForecast {
  std::string job, directory;
  size_t cells = 0, finished_cells = 0;
  size_t unshared = 0, tasks = 0, done = 0;  // unshared: tasks if every cell were a job of its own
  std::vector<TaskSort> sorts;               // in the order of the cells
  double left_s = 0;                         // of what is not done, times ranks
  double longest_s = 0;       // the longest chain of tasks: the time needed with any number of members
  double needed_bytes = 0;    // on a rank, for the cell that needs the most
  std::string neediest;       // that cell's name
  bool fits = true;           // whether all cells fit on a rank of the machine
  int ranks = 1;              // per member
  CalibratedMachine machine;  // of the first cell's plan_machine
};

/// `size_of` gives a cell's size by its number. Throws for a faulty cell as a run would, planned_machine's
/// errors, and DataError for an unreadable journal.
SweepForecast forecast_sweep(const std::vector<JobCell>& cells, const JobEnvironment& environment,
                             const std::function<const JobSize&(size_t cell)>& size_of);

}  // namespace apportion
