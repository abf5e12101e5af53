#include "shared/config/task.h"

#include "shared/base/digest.h"
#include "shared/base/error.h"

namespace apportion {

int task_revision(const std::string& kind) {
  if (kind == "calibrate") return 5;
  if (kind == "sft") return 4;
  if (kind == "judge") return 1;
  if (kind == "measure" || kind == "scale") return 3;
  throw InternalError("unknown kind of task: " + kind);
}

std::string task_id(const nlohmann::json& identity) { return sha256(identity.dump()); }

void to_json(nlohmann::json& json, const Task& task) {
  json = {{"id", task.id},         {"kind", task.kind},
          {"label", task.label},   {"identity", task.identity},
          {"inputs", task.inputs}, {"test_set", task.test_set}};
}

void from_json(const nlohmann::json& json, Task& task) {
  json.at("id").get_to(task.id);
  json.at("kind").get_to(task.kind);
  json.at("label").get_to(task.label);
  task.identity = json.at("identity");
  json.at("inputs").get_to(task.inputs);
  json.at("test_set").get_to(task.test_set);
}

}  // namespace apportion
