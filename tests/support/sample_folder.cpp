#include "tests/support/sample_folder.h"

#include <chrono>
#include <filesystem>

#include "shared/base/digest.h"
#include "shared/base/file_system.h"
#include "shared/store/lease.h"
#include "tests/support/sample_results.h"

namespace apportion {

namespace fs = std::filesystem;

PlanFile sample_plan(const std::string& job, const std::vector<Cell>& cells) {
  PlanFile plan{job, {}, {}};
  for (const Cell& cell : cells) {
    for (const std::string& id : tasks_of(cell)) plan.tasks.push_back({id, "a task", plan.cells.size()});
    plan.cells.push_back(cell.name);
  }
  return plan;
}

std::vector<Cell> write_sample_folder(const std::string& directory) {
  const std::vector<Cell> cells = write_sample_results(directory);
  write_plan_file(directory, sample_plan("smoke", cells));
  return cells;
}

void write_stranger(const std::string& directory, const std::string& member, int seconds_ago) {
  make_directories(members_directory(directory));
  const std::string path = members_directory(directory) + "/" + member;
  write_file(
      path,
      R"({"process":"1","start":"2","host":"elsewhere","job":"j","slurm_job":"","began":0,"doing":{},"beats":1})");
  make_older(path, seconds_ago);
}

void make_older(const std::string& path, int seconds) {
  fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::seconds(seconds));
}

std::map<std::string, std::string> digests_below(const std::string& directory) {
  std::map<std::string, std::string> digests;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    const std::string path = entry.path().string();
    if (entry.is_regular_file()) digests[path.substr(directory.size() + 1)] = sha256_file(path);
  }
  return digests;
}

}  // namespace apportion
