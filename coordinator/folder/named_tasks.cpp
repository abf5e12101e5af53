#include "coordinator/folder/named_tasks.h"

#include "shared/base/error.h"
#include "shared/store/task_file.h"

namespace apportion {
namespace {

/// False if it cannot be read: a result that nothing names is garbage either way.
bool is_study(const std::string& directory, const std::string& id) {
  try {
    return read_task_record(result_path(directory, id)).task.kind == TaskKind::scale;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

FolderJobs read_folder_jobs(const std::string& directory) {
  return {read_plan_files(directory), indexed_cells(directory)};
}

std::map<std::string, NamedTask> named_tasks(const std::string& directory, const FolderJobs& jobs) {
  std::map<std::string, NamedTask> named;
  std::vector<std::string> open;  // whose results have not been read yet
  auto name = [&](const std::string& id, bool by_cell) {
    const auto [entry, is_new] = named.try_emplace(id);
    entry->second.by_cell = entry->second.by_cell || by_cell;
    if (is_new) open.push_back(id);
  };
  for (const PlanFile& plan : jobs.plans) {
    for (const PlannedTask& task : plan.tasks) name(task.id, false);
  }
  for (const Cell& cell : jobs.cells) {
    for (const std::string& id : tasks_of(cell)) name(id, true);
  }
  while (!open.empty()) {
    const std::string id = open.back();
    open.pop_back();
    if (!has_result(directory, id)) continue;
    const Task task = read_task_record(result_path(directory, id)).task;
    NamedTask& entry = named.at(id);
    entry.finished = true;
    entry.reads_reference = description_of(task.kind).trains;
    entry.reads_answers = entry.reads_reference || task.kind == TaskKind::retention;
    for (const std::string& input : task.inputs) name(input, false);
  }
  for (const std::string& id : finished_tasks(directory)) {
    if (!named.contains(id) && is_study(directory, id)) named[id].finished = true;
  }
  return named;
}

}  // namespace apportion
