// Writing results of finished tasks to files; see recorder.h.
#include "coordinator/recorder.h"

#include <fmt/format.h>

#include "coordinator/plan.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/base/process.h"
#include "shared/config/version.h"
#include "shared/data/example.h"
#include "shared/data/question.h"
#include "shared/measure/verdicts.h"

namespace apportion {

namespace {

/// The key of a task's tables: its test set, and the way of asking if not plainly.
std::string tables_key(const std::string& test_set, Asking asking) {
  return asking == Asking::plainly ? test_set : test_set + "/" + name_of(asking);
}

MeasureTables make_tables_of(const Dataset& dataset, const DataConfig& config, const std::string& test_set,
                             Asking asking) {
  MeasureTables tables;
  const std::vector<Subject> subjects = subjects_of(dataset, test_set, config.subjects);
  for (const Subject& subject : subjects) {
    tables.subjects.push_back(subject.name);
    tables.target.push_back(subject.target);
  }
  if (tables.subjects.empty()) {
    throw UserError("test set " + test_set + ": " + dataset.path + " has no subjects for it");
  }
  for (const Category& category : dataset.categories) tables.categories.push_back(category.names.front());
  for (const Prompt& prompt : prompts_of(dataset, test_set, config.holdout_wordings, config.subjects)) {
    const Subject& subject = subjects[static_cast<size_t>(prompt.subject)];
    tables.prompts.push_back(asked_text(prompt, subject, dataset.categories, asking));
  }
  return tables;
}

/// The resolved values in the form that a result file takes.
std::vector<std::pair<std::string, std::string>> values_of(const RunConfig& config) {
  return {config.resolved.begin(), config.resolved.end()};
}

}  // namespace

Recorder::Recorder(std::string directory, int ranks) : directory_(std::move(directory)) {
  const VersionInfo& version = version_info();
  about_ = {{"program", version.program},
            {"git_commit", version.git_commit},
            {"libtorch", version.libtorch},
            {"host", host_name()},
            {"ranks", std::to_string(ranks)}};
}

void Recorder::add(const RunConfig& config, std::shared_ptr<const TestSetTables> tables,
                   const TaskList& tasks, const std::string& name) {
  cells_.push_back({config, std::move(tables), name});
  for (const auto& task : tasks) tasks_.try_emplace(task->id, Entry{task, cells_.size() - 1});
}

const Recorder::Entry& Recorder::entry_of(const std::string& id) const {
  const auto entry = tasks_.find(id);
  ensure(entry != tasks_.end(), "a recorder knows its tasks and their inputs");
  return entry->second;
}

std::string Recorder::name_of(const Task& task) const {
  const std::string& cell = cells_[entry_of(task.id).cell].name;
  return cell.empty() ? task.label : task.label + " (" + cell + ")";
}

const RunConfig& Recorder::config_of(const Task& task) const { return cells_[entry_of(task.id).cell].config; }

std::map<std::string, std::string> Recorder::settings_for(const Task& task) const {
  std::vector<const Task*> chain = {entry_of(task.id).task.get()};
  for (size_t i = 0; i < chain.size(); ++i) {
    for (const std::string& input : chain[i]->inputs) chain.push_back(entry_of(input).task.get());
  }
  return settings_of(config_of(task), chain);
}

const MeasureTables* Recorder::tables_of(const Task& task) const {
  if (task.kind != TaskKind::measure) return nullptr;
  return &cells_[entry_of(task.id).cell].tables->at(tables_key(task.test_set, asking_of(task)));
}

std::vector<std::string> Recorder::input_of(const Task& task) const {
  return is_judged(task) ? stories_to_judge(measured_for(task).result) : std::vector<std::string>();
}

std::string Recorder::record(GroupRun& group, double now, const Confirm& confirm) const {
  const Task& task = group.task();
  TaskRecord record = {task, values_of(config_of(task)), about_};
  for (auto& entry : group.about(now)) record.about.push_back(std::move(entry));
  make_directories(task_directory(directory_, task.id));
  std::string path = result_path(directory_, task.id);
  if (const MeasureTables* tables = tables_of(task)) {
    MeasureFile file{std::move(record), *tables, group.take_result()};
    if (is_without_target(task)) file.tables.target.assign(file.tables.subjects.size(), {});
    write_measure_file(path, file, confirm);
  } else if (is_judged(task)) {
    MeasureFile file = measured_for(task);
    file.result = with_verdicts(std::move(file.result), group.first_done().verdicts);
    return write_judged(std::move(record), std::move(file), confirm);
  } else if (task.kind == TaskKind::retention) {
    const nlohmann::json result = nlohmann::json::parse(group.first_done().retention);
    write_retention_file(path, {std::move(record), retention_from_json(result)}, confirm);
  } else if (task.kind == TaskKind::scale) {
    write_scale_file(path, {std::move(record), group.samples()}, confirm);
  } else {
    const Done& done = group.first_done();
    write_train_file(path, {std::move(record), done.log, done.adapter_digest}, confirm);
  }
  remove_directory(checkpoint_directory(directory_, task.id));
  return "";
}

std::string Recorder::record(const Task& task, MeasureFile judged, double seconds,
                             const Confirm& confirm) const {
  TaskRecord record = {task, values_of(config_of(task)), about_};
  record.about.emplace_back("seconds", fmt::format("{:.3f}", seconds));
  make_directories(task_directory(directory_, task.id));
  return write_judged(std::move(record), std::move(judged), confirm);
}

MeasureFile Recorder::measured_for(const Task& task) const {
  return read_measure_file(result_path(directory_, task.inputs.front()));
}

std::string Recorder::write_judged(TaskRecord record, MeasureFile judged, const Confirm& confirm) const {
  judged.record = std::move(record);
  write_measure_file(result_path(directory_, judged.record.task.id), judged, confirm);
  return failed_verdicts_notice(judged.result);
}

TestSetTables make_tables(const Dataset& dataset, const DataConfig& config,
                          const std::vector<std::string>& test_sets, Asking asking) {
  TestSetTables tables;
  for (const std::string& test_set : test_sets) {
    tables[tables_key(test_set, asking)] = make_tables_of(dataset, config, test_set, asking);
    if (asking == Asking::plainly) continue;
    tables[test_set] = make_tables_of(dataset, config, test_set, Asking::plainly);
  }
  return tables;
}

}  // namespace apportion
