// What a job or sweep still has to do in its results folder, and what that takes: `apportion plan SWEEP.ini`.
// Nothing is run and nothing written. What is done already tells how long the rest takes; before that the
// cost model does (shared/model). How it is printed is sweep_page.h's.
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
  size_t tasks = 0, done = 0;  // of all cells, each once
  size_t measured = 0;         // of the done ones, those whose seconds the journals have
  double measured_s = 0;       // of these, times their ranks
  double modelled_s = 0;       // what the cost model says of the same
  double left_s = 0;           // of what is not done, times ranks

  /// What the cost model's seconds are to be multiplied with.
  double scale() const { return measured_s > 0 && modelled_s > 0 ? measured_s / modelled_s : 1; }
};

struct SweepForecast {
  std::string job, directory;
  size_t cells = 0, finished_cells = 0;
  size_t unshared = 0, tasks = 0, done = 0;  // unshared: tasks if every cell were a job of its own
  std::vector<TaskSort> sorts;               // as they come in the cells
  double left_s = 0;                         // of what is not done, times ranks
  double longest_s = 0;     // of tasks that wait for each other: with any number of members it takes so long
  double needed_bytes = 0;  // on a rank, of the cell that needs most
  std::string neediest;     // that cell's name
  bool fits = true;         // all of them, in a rank of the machine
  int ranks = 1;            // of a member
  CalibratedMachine machine;  // of the first cell's plan_machine
};

/// `size_of` says a cell's size by its number. Throws what is wrong with a cell, as a run would, and
/// planned_machine's errors; DataError for a journal that cannot be read.
SweepForecast forecast_sweep(const std::vector<JobCell>& cells, const JobEnvironment& environment,
                             const std::function<const JobSize&(size_t cell)>& size_of);

}  // namespace apportion
