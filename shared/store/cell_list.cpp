#include "shared/store/cell_list.h"

#include "shared/base/error.h"
#include "shared/base/utf8.h"

namespace apportion {
namespace {

using ResultTasks = std::map<std::string, std::string>;  // of results, with their tasks
using Targets = std::map<std::string, std::vector<std::vector<double>>>;

/// Returns {test set: [rows, columns]} and appends the values to `values`.
nlohmann::json pack_targets(const Targets& targets, std::vector<double>& values) {
  nlohmann::json shapes = nlohmann::json::object();
  for (const auto& [test_set, rows] : targets) {
    const size_t width = rows.empty() ? 0 : rows.front().size();
    shapes[test_set] = {rows.size(), width};
    for (const std::vector<double>& row : rows) {
      ensure(row.size() == width, "a cell's targets have a share for each category");
      values.insert(values.end(), row.begin(), row.end());
    }
  }
  return shapes;
}

/// Takes values from `at` on; false when there are too few.
bool unpack_targets(const nlohmann::json& shapes, const std::vector<double>& values, size_t& at,
                    Targets& targets) {
  for (const auto& [test_set, shape] : shapes.items()) {
    const auto rows = shape.at(0).get<size_t>(), width = shape.at(1).get<size_t>();
    const size_t left = values.size() - at;
    if (rows > left || (rows > 0 && width > left / rows)) return false;
    for (size_t row = 0; row < rows; ++row, at += width) {
      const auto begin = values.begin() + static_cast<std::ptrdiff_t>(at);
      targets[test_set].emplace_back(begin, begin + static_cast<std::ptrdiff_t>(width));
    }
  }
  return true;
}

ResultTasks tasks_of(const nlohmann::json& json, bool& valid) {
  ResultTasks names = json.get<ResultTasks>();
  for (const auto& [name, id] : names) valid = valid && is_task_id(id);
  return names;
}

}  // namespace

bool is_task_id(const std::string& id) {
  return !id.empty() && id.find('/') == std::string::npos && id[0] != '.';
}

nlohmann::json about_to_json(const CellAbout& about) {
  std::vector<std::string> test_sets;
  for (const auto& [test_set, target] : about.targets) test_sets.push_back(test_set);
  nlohmann::json json = {{"dataset", storable_text(about.dataset)},
                         {"method", about.method},
                         {"model", storable_text(about.model)},
                         {"target", storable_text(about.target)},
                         {"swept", about.swept},
                         {"targets", test_sets}};
  if (about.place) json["place"] = *about.place;
  return json;
}

CellAbout about_from_json(const nlohmann::json& json) {
  CellAbout about;
  json.at("dataset").get_to(about.dataset);
  json.at("method").get_to(about.method);
  json.at("model").get_to(about.model);
  json.at("target").get_to(about.target);
  json.at("swept").get_to(about.swept);
  if (json.contains("place")) about.place = json.at("place").get<uint64_t>();
  return about;
}

CellList pack_cells(const std::vector<Cell>& cells) {
  CellList list;
  for (const Cell& cell : cells) {
    nlohmann::json json = {{"job", storable_text(cell.job)}, {"cell", storable_text(cell.name)},
                           {"measures", cell.measures},      {"training", cell.training},
                           {"judged", cell.judged},          {"retention", cell.retention}};
    if (!cell.about.method.empty()) json["about"] = about_to_json(cell.about);
    json["targets"] = pack_targets(cell.about.targets, list.targets.values);
    list.texts.values.push_back(json.dump());
  }
  list.texts.shape = {list.texts.values.size()};
  list.targets.shape = {list.targets.values.size()};
  return list;
}

std::vector<Cell> unpack_cells(const Hdf5Reader& reader, const CellList& list) {
  std::vector<Cell> cells;
  size_t at = 0;
  bool valid = list.texts.shape.size() == 1 && list.targets.shape.size() == 1;
  try {
    for (const std::string& text : list.texts.values) {
      const nlohmann::json json = nlohmann::json::parse(text);
      Cell cell{json.at("job").get<std::string>(), json.at("cell").get<std::string>(), {}, {}};
      cell.measures = tasks_of(json.at("measures"), valid);
      cell.training = tasks_of(json.at("training"), valid);
      cell.judged = tasks_of(json.at("judged"), valid);
      json.at("retention").get_to(cell.retention);
      valid = valid && (cell.retention.empty() || is_task_id(cell.retention));
      if (json.contains("about")) cell.about = about_from_json(json.at("about"));
      valid = valid && unpack_targets(json.at("targets"), list.targets.values, at, cell.about.targets);
      if (!valid) break;
      cells.push_back(std::move(cell));
    }
  } catch (const nlohmann::json::exception&) {
    valid = false;
  }
  if (!valid || at != list.targets.values.size()) reader.fail("its list of cells does not say what they are");
  return cells;
}

}  // namespace apportion
