// Tasks with nothing but id, kind and inputs, for tests of their order.
#pragma once

#include <string>
#include <vector>

#include "shared/config/task.h"

namespace apportion {

inline Task plain_task(const std::string& id, const std::string& kind, std::vector<std::string> inputs = {}) {
  Task task;
  task.id = id;
  task.kind = task_kind(kind);
  task.inputs = std::move(inputs);
  return task;
}

/// The tasks of a cell that trains in two stages.
inline std::vector<Task> two_stages() {
  return {plain_task("before", "measure"), plain_task("one", "sft"), plain_task("two", "calibrate", {"one"}),
          plain_task("after", "measure", {"two"})};
}

}  // namespace apportion
