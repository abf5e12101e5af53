// Writes the results of finished tasks: the only writer of result files in a run. shared/store defines what
// they hold, group_run.h collects it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "coordinator/group_run.h"
#include "shared/base/file_system.h"
#include "shared/config/method.h"
#include "shared/config/run_config.h"
#include "shared/data/dataset.h"
#include "shared/store/task_file.h"

namespace apportion {

/// The questions and targets of each test set of a job, by its name and the way of asking (make_tables).
using TestSetTables = std::map<std::string, MeasureTables>;

class Recorder {
 public:
  /// `directory` is the results folder.
  Recorder(std::string directory, int ranks);

  /// Adds a cell's tasks; the resolved values of its `config` are echoed in their files. A task that an
  /// earlier cell added stays with that cell. `config` must outlive this. `name` is the cell's name if there
  /// are several cells, else empty.
  void add(const RunConfig& config, std::shared_ptr<const TestSetTables> tables, const TaskList& tasks,
           const std::string& name = "");

  /// For people: "stage 1", and its cell if there are several.
  std::string name_of(const Task& task) const;
  /// The configuration of the task's cell. Throws InternalError for a task that was not added.
  const RunConfig& config_of(const Task& task) const;
  /// What the task's worker sees of that configuration.
  std::map<std::string, std::string> settings_for(const Task& task) const;
  /// The tables of a measure task's test set; nullptr for other tasks.
  const MeasureTables* tables_of(const Task& task) const;

  /// What a task's ranks need from its inputs' result files (Assign::input), which only the coordinator
  /// reads.
  std::vector<std::string> input_of(const Task& task) const;

  /// Commits the finished group's task: afterwards its artefact verifies, and its checkpoints are gone.
  /// Returns one line of warning for people, empty if there is none. Throws UserError when the file cannot be
  /// written, InternalError for an incomplete result, and what `confirm` throws; nothing is written then.
  std::string record(GroupRun& group, double now, const Confirm& confirm) const;
  /// The same for the task of a judge that needs no ranks; `judged` is what it read, with its verdicts.
  std::string record(const Task& task, MeasureFile judged, double seconds, const Confirm& confirm) const;
  /// The result that a judge task takes as its input.
  MeasureFile measured_for(const Task& task) const;

 private:
  struct CellWork {
    const RunConfig& config;
    std::shared_ptr<const TestSetTables> tables;
    std::string name;
  };
  struct Entry {
    std::shared_ptr<const Task> task;
    size_t cell;
  };

  const Entry& entry_of(const std::string& id) const;
  std::string write_judged(TaskRecord record, MeasureFile judged, const Confirm& confirm) const;

  std::string directory_;
  std::vector<std::pair<std::string, std::string>> about_;
  std::vector<CellWork> cells_;
  std::unordered_map<std::string, Entry> tasks_;  // by id
};

/// The questions and targets of each test set, by its name when asked plainly, and as `asking` puts it.
/// Throws UserError for a test set for which the dataset lacks wordings or subjects, or targets that `asking`
/// needs.
TestSetTables make_tables(const Dataset& dataset, const DataConfig& config,
                          const std::vector<std::string>& test_sets, Asking asking = Asking::plainly);

}  // namespace apportion
