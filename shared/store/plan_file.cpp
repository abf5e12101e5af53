#include "shared/store/plan_file.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/base/utf8.h"
#include "shared/store/cell_list.h"
#include "shared/store/index.h"

namespace apportion {
namespace {

std::string plans_directory(const std::string& directory) { return directory + "/plans"; }

PlanFile plan_of(const nlohmann::json& json) {
  PlanFile plan;
  json.at("job").get_to(plan.job);
  json.at("cells").get_to(plan.cells);
  for (const nlohmann::json& entry : json.at("tasks")) {
    PlannedTask& task = plan.tasks.emplace_back();
    entry.at(0).get_to(task.id);
    entry.at(1).get_to(task.label);
    entry.at(2).get_to(task.cell);
    if (!is_task_id(task.id) || task.cell >= plan.cells.size()) throw DataError("", 0, "task");
  }
  return plan;
}

}  // namespace

std::string plan_path(const std::string& directory, const std::string& job) {
  return plans_directory(directory) + "/" + cell_name(job) + ".json";
}

void write_plan_file(const std::string& directory, const PlanFile& plan) {
  nlohmann::json tasks = nlohmann::json::array();
  for (const PlannedTask& task : plan.tasks) tasks.push_back({task.id, task.label, task.cell});
  const nlohmann::json json = {{"job", plan.job}, {"cells", plan.cells}, {"tasks", tasks}};
  make_directories(plans_directory(directory));
  write_file(plan_path(directory, plan.job), json_text(json) + "\n");
}

std::vector<PlanFile> read_plan_files(const std::string& directory) {
  std::vector<PlanFile> plans;
  for (const std::string& name : names_in(plans_directory(directory))) {
    if (std::filesystem::path(name).extension() != ".json") continue;
    const std::string path = plans_directory(directory) + "/" + name;
    try {
      plans.push_back(plan_of(nlohmann::json::parse(read_file(path))));
    } catch (const std::exception&) {
      throw DataError(path, 0,
                      "this is not a plan that apportion wrote; the next run of its job replaces it");
    }
  }
  return plans;
}

}  // namespace apportion
