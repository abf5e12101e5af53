// The results of finished tasks on their way into files; see recorder.h.
#include "coordinator/recorder.h"

#include <unistd.h>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/config/version.h"
#include "shared/data/example.h"

namespace apportion {

namespace {

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof(name) - 1) == 0 ? name : "unknown";
}

MeasureTables make_tables_of(const Dataset& dataset, const DataConfig& config, const std::string& test_set) {
  MeasureTables tables;
  for (const Subject& subject : subjects_of(dataset, test_set, config.subjects)) {
    tables.subjects.push_back(subject.name);
    tables.target.push_back(subject.target);
  }
  if (tables.subjects.empty()) {
    throw UserError("test set " + test_set + ": " + dataset.path + " has no subjects for it");
  }
  for (const Category& category : dataset.categories) tables.categories.push_back(category.names.front());
  for (Prompt& prompt : prompts_of(dataset, test_set, config.holdout_wordings, config.subjects)) {
    tables.prompts.push_back(std::move(prompt.text));
  }
  return tables;
}

}  // namespace

Recorder::Recorder(const RunConfig& config, std::map<std::string, MeasureTables> tables, int ranks)
    : directory_(config.output.directory), config_(config.resolved), tables_(std::move(tables)) {
  const VersionInfo& version = version_info();
  about_ = {{"program", version.program},
            {"git_commit", version.git_commit},
            {"libtorch", version.libtorch},
            {"host", host_name()},
            {"ranks", std::to_string(ranks)}};
}

const MeasureTables* Recorder::tables_of(const Task& task) const {
  return task.kind == "measure" ? &tables_.at(task.test_set) : nullptr;
}

void Recorder::record(GroupRun& group, double now) const {
  const Task& task = group.task();
  TaskRecord record = {task, config_, about_};
  for (auto& entry : group.about(now)) record.about.push_back(std::move(entry));
  make_directories(task_directory(directory_, task.id));
  std::string path = result_path(directory_, task.id);
  if (const MeasureTables* tables = tables_of(task)) {
    write_measure_file(path, {std::move(record), *tables, group.take_result()});
  } else if (task.kind == "scale") {
    write_scale_file(path, {std::move(record), group.samples()});
  } else {
    const Done& done = group.first_done();
    write_train_file(path, {std::move(record), done.log, done.adapter_digest});
    remove_directory(checkpoint_directory(directory_, task.id));
  }
}

std::map<std::string, MeasureTables> make_tables(const Dataset& dataset, const DataConfig& config,
                                                 const std::vector<std::string>& test_sets) {
  std::map<std::string, MeasureTables> tables;
  for (const std::string& test_set : test_sets) tables[test_set] = make_tables_of(dataset, config, test_set);
  return tables;
}

}  // namespace apportion
