#include "shared/config/task.h"

#include "shared/base/digest.h"
#include "shared/base/error.h"

namespace apportion {

namespace {

const std::vector<KindDescription>& kind_table() {
  static const std::vector<KindDescription> table = {
      {TaskKind::measure, "measure", 4, false, false, 1},    {TaskKind::sft, "sft", 4, true, true, 3},
      {TaskKind::calibrate, "calibrate", 5, true, true, 3},  {TaskKind::scale, "scale", 3, false, true, 3},
      {TaskKind::retention, "retention", 1, false, true, 1}, {TaskKind::judge, "judge", 1, false, false, 1},
  };
  return table;
}

}  // namespace

const KindDescription& description_of(TaskKind kind) {
  for (const KindDescription& description : kind_table()) {
    if (description.kind == kind) return description;
  }
  throw InternalError("a kind of task without a description");
}

TaskKind task_kind(const std::string& name) {
  std::string names;
  for (const KindDescription& description : kind_table()) {
    if (description.name == name) return description.kind;
    names += (names.empty() ? "" : ", ") + description.name;
  }
  throw UserError("a task of kind \"" + name + "\", which this program does not know; there are " + names);
}

bool is_without_target(const Task& task) {
  return task.identity.is_object() && task.identity.contains("questions");
}

std::string task_id(const nlohmann::json& identity) { return sha256(identity.dump()); }

void to_json(nlohmann::json& json, const Task& task) {
  json = {{"id", task.id},         {"kind", name_of(task.kind)},
          {"label", task.label},   {"identity", task.identity},
          {"inputs", task.inputs}, {"test_set", task.test_set}};
}

void from_json(const nlohmann::json& json, Task& task) {
  json.at("id").get_to(task.id);
  task.kind = task_kind(json.at("kind").get<std::string>());
  json.at("label").get_to(task.label);
  task.identity = json.at("identity");
  json.at("inputs").get_to(task.inputs);
  json.at("test_set").get_to(task.test_set);
}

}  // namespace apportion
