// Writes the results of finished tasks: the one writer of result files in a run. What is in them is the
// store's business (shared/store), how it was computed group_run.h's.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/group_run.h"
#include "shared/config/method.h"
#include "shared/config/run_config.h"
#include "shared/data/dataset.h"
#include "shared/store/task_file.h"

namespace apportion {

class Recorder {
 public:
  /// `tables` as make_tables gives them. Of `config` the resolved values are echoed and the results'
  /// directory is used.
  Recorder(const RunConfig& config, std::map<std::string, MeasureTables> tables, int ranks);

  /// The tables of a measure task's test set; nullptr for other tasks.
  const MeasureTables* tables_of(const Task& task) const;

  /// What a task's ranks need of its inputs' result files (Assign::input), which only the coordinator reads.
  std::vector<std::string> input_of(const Task& task) const;

  /// Commits the finished group's task: afterwards its artefact verifies, and its checkpoints are gone. What
  /// people have to be warned of comes back as one line, empty if nothing. Throws UserError when the file
  /// cannot be written, InternalError for an incomplete result.
  std::string record(GroupRun& group, double now) const;
  /// Likewise the task of a judge that needs no ranks, with `judged` in place of what it read.
  std::string record(const Task& task, MeasureFile judged, double seconds) const;
  /// The result of a judge task's input.
  MeasureFile measured_for(const Task& task) const;

 private:
  std::string write_judged(TaskRecord record, MeasureFile judged) const;

  std::string directory_;
  std::vector<std::pair<std::string, std::string>> config_;
  std::vector<std::pair<std::string, std::string>> about_;
  std::map<std::string, MeasureTables> tables_;
};

/// The questions and targets of each test set as it is asked plainly, by its name, and as `asking` puts it.
/// Throws UserError for a test set that the dataset has no wordings or subjects for, or no targets that
/// `asking` needs.
std::map<std::string, MeasureTables> make_tables(const Dataset& dataset, const DataConfig& config,
                                                 const std::vector<std::string>& test_sets,
                                                 Asking asking = Asking::plainly);

}  // namespace apportion
