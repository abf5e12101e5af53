#include "coordinator/report/data/figure_cache.h"

#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/config/version.h"
#include "shared/store/task_file.h"

namespace apportion {
namespace {

constexpr const char* format = "apportion figures 1";

/// "ID SIZE MODIFIED CHANGED"; empty if there is no such file.
std::string stamp_of(const std::string& directory, const std::string& task) {
  struct stat status {};
  if (::stat(result_path(directory, task).c_str(), &status) != 0) return "";
  const auto time = [](const timespec& t) {
    return std::to_string(t.tv_sec) + "." + std::to_string(t.tv_nsec);
  };
  return task + " " + std::to_string(status.st_size) + " " + time(status.st_mtim) + " " +
         time(status.st_ctim) + "\n";
}

std::vector<std::optional<double>> values_of(const CellFigures& figures) {
  std::vector<std::optional<double>> values = {figures.subjects, figures.with_exact, figures.with_mae};
  for (const FigureColumn& column : figure_columns()) values.push_back(figures.*column.value);
  return values;
}

}  // namespace

FigureCache::FigureCache(std::string directory)
    : path_(directory + "/figures.json"), directory_(std::move(directory)) {
  if (!is_regular_file(path_)) return;
  try {
    const nlohmann::json json = nlohmann::json::parse(read_file(path_));
    if (json.at("format") != format) return;
    for (const auto& [key, numbers] : json.at("cells").items()) {
      std::vector<std::optional<double>>& values = read_[key];
      for (const nlohmann::json& number : numbers)
        values.push_back(number.is_null() ? std::nullopt : std::optional(number.get<double>()));
    }
  } catch (const std::exception&) {
    read_.clear();
  }
}

std::string FigureCache::key_of(const Cell& cell) const {
  const std::optional<MeasureName> name = headline_of(cell);
  if (!name) return "";
  static const std::string program = version_info().program + " " + version_info().git_commit + "\n";
  std::string text = program + name->text() + "\n";
  for (const std::string& task : {name->task, cell.retention}) {
    if (task.empty()) continue;
    const std::string stamp = stamp_of(directory_, task);
    if (stamp.empty()) return "";
    text += stamp;
  }
  if (const auto target = cell.about.targets.find(name->test_set); target != cell.about.targets.end())
    text += nlohmann::json(target->second).dump();
  return sha256(text).substr(0, 32);
}

bool FigureCache::find(const std::string& key, CellFigures& figures) const {
  const auto found = read_.find(key);
  const auto& columns = figure_columns();
  if (found == read_.end() || found->second.size() != columns.size() + 3) return false;
  const std::vector<std::optional<double>>& values = found->second;
  figures.readable = true;
  figures.subjects = static_cast<int>(values[0].value_or(0));
  figures.with_exact = static_cast<int>(values[1].value_or(0));
  figures.with_mae = static_cast<int>(values[2].value_or(0));
  for (size_t i = 0; i < columns.size(); ++i) figures.*columns[i].value = values[3 + i];
  return true;
}

void FigureCache::keep(const std::string& key, const CellFigures& figures) {
  used_[key] = values_of(figures);
}

void FigureCache::save() {
  if (used_ == read_) return;
  nlohmann::json cells = nlohmann::json::object();
  for (const auto& [key, values] : used_) {
    nlohmann::json& numbers = cells[key] = nlohmann::json::array();
    for (const std::optional<double>& value : values)
      numbers.push_back(value ? nlohmann::json(*value) : nlohmann::json());
  }
  try {
    write_file(path_, nlohmann::json({{"format", format}, {"cells", std::move(cells)}}).dump() + "\n");
  } catch (const UserError&) {  // the folder may be read-only
  }
}

}  // namespace apportion
