// Starts of one batch job that make no progress. Each start is counted in a small file of the results folder
// before anything is computed, together with what is finished and saved by then. Without this, a job requeued
// again and again without a new step or task would wait and load for ever.
#pragma once

#include <string>

#include "shared/config/rank_env.h"

namespace apportion {

/// Exit code in place of requeue_exit_code when two restarts made no progress.
inline constexpr int stuck_exit_code = 93;

class Restarts {
 public:
  /// For runs of `job` into the results folder `directory`; without a batch job nothing is counted.
  Restarts(std::string directory, const BatchJob& job);

  /// Throws Error with stuck_exit_code when the last three starts of this job, the first and two restarts,
  /// made no progress. Only reads, so every rank can call it.
  void check() const;

  /// Counts this start. Call it on one rank, after all have called check(). Throws UserError when the file
  /// cannot be written.
  void count();

  /// Whether this is the third start without a new step, unit or task: another one would not help.
  bool is_stuck() const;
  std::string reason() const;

  /// Removes the file: the job is done.
  void forget() const;

 private:
  bool has_job() const { return !job_.id.empty(); }
  std::string path() const;
  struct Record {
    int starts = 0;        // without progress, including this one or the last
    std::string progress;  // what was finished and saved at the first of these
  };
  Record read() const;

  std::string directory_;
  BatchJob job_;
  Record own_;  // as counted
};

}  // namespace apportion
