// Starts of one batch job that come no further: each is counted in a small file of the results folder before
// anything is computed, and what is finished and saved by then stands beside it. A job that is requeued again
// and again without a new step or task would wait and load for ever.
#pragma once

#include <string>

#include "shared/config/rank_env.h"

namespace apportion {

/// What a run ends with instead of requeue_exit_code when two restarts came no further.
inline constexpr int stuck_exit_code = 93;

class Restarts {
 public:
  /// Of runs of `job` into the results folder `directory`; without a batch job nothing is counted.
  Restarts(std::string directory, const BatchJob& job);

  /// Throws Error with stuck_exit_code when the last three starts of this job came no further: the first one
  /// and two restarts. Reads only, so that every rank can ask.
  void check() const;

  /// Counts this start. On one rank, after all have asked. Throws UserError when the file cannot be written.
  void count();

  /// Whether this start is the third without a new step, unit or task, so that another one would not help.
  bool is_stuck() const;
  std::string reason() const;

  /// The job is done: its file is removed.
  void forget() const;

 private:
  bool has_job() const { return !job_.id.empty(); }
  std::string path() const;
  struct Record {
    int starts = 0;        // without progress, this or the last one included
    std::string progress;  // what was finished and saved at the first of them
  };
  Record read() const;

  std::string directory_;
  BatchJob job_;
  Record own_;  // as counted
};

}  // namespace apportion
