#include "shared/store/index.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <tuple>

#include "shared/base/edit_distance.h"
#include "shared/base/error.h"
#include "shared/base/utf8.h"
#include "shared/config/method.h"
#include "shared/config/option.h"
#include "shared/store/cell_list.h"
#include "shared/store/hdf5_file.h"
#include "shared/store/layout.h"
#include "shared/store/task_file.h"

namespace apportion {
namespace {

constexpr int most_nested = 16;  // groups below /jobs; we write none deeper

std::string index_path(const std::string& directory) { return directory + "/index.h5"; }

// Names become paths of groups; a slash nests them.
bool is_name(const std::string& name) {
  const std::string rest = "/" + name + "/";
  const bool empty = rest.find("//") != std::string::npos;
  const bool dots = rest.find("/./") != std::string::npos || rest.find("/../") != std::string::npos;
  return !empty && !dots && name.find('\0') == std::string::npos;
}

void check_name(const std::string& name) {
  if (!is_name(name)) {
    throw UserError("\"" + name + "\" cannot name a job or a cell in the index: it must be like \"smoke\"");
  }
}

std::string cell_path(const Cell& cell) {
  return std::string(layout::jobs) + "/" + cell.job + "/" + cell.name;
}

std::string targets_path(const Cell& cell, const std::string& test_set) {
  return std::string(layout::targets) + "/" + cell.job + "/" + cell.name + "/" + test_set;
}

void write_targets(Hdf5Writer& writer, const Cell& cell) {
  if (!cell.about.targets.empty())
    writer.group(std::string(layout::targets) + "/" + cell.job + "/" + cell.name);
  for (const auto& [test_set, rows] : cell.about.targets) {
    check_name(test_set);
    Hdf5Array<double> array{{rows.size(), rows.empty() ? 0 : rows.front().size()}, {}};
    for (const std::vector<double>& row : rows) {
      ensure(row.size() == array.shape[1], "a cell's targets have a share for each category");
      array.values.insert(array.values.end(), row.begin(), row.end());
    }
    writer.dataset(targets_path(cell, test_set), array);
  }
}

std::vector<std::vector<double>> read_target(const Hdf5Reader& reader, const std::string& path) {
  const Hdf5Array<double> array = reader.dataset<double>(path);
  if (array.shape.size() != 2) reader.fail(path + " does not have two axes");
  const auto width = static_cast<std::ptrdiff_t>(array.shape[1]);
  std::vector<std::vector<double>> rows;
  for (auto at = array.values.begin(); at != array.values.end(); at += width)
    rows.emplace_back(at, at + width);
  return rows;
}

CellAbout read_about(const Hdf5Reader& reader, const std::string& group, const Cell& cell) {
  if (!reader.has_attribute(group, layout::cell_about)) return {};
  const nlohmann::json json = nlohmann::json::parse(reader.text(group, layout::cell_about), nullptr, false);
  try {
    CellAbout about = about_from_json(json);
    for (const auto& test_set : json.at("targets").get<std::vector<std::string>>()) {
      if (!is_name(test_set)) reader.fail("attribute about of " + group + " names no test set");
      about.targets[test_set] = read_target(reader, targets_path(cell, test_set));
    }
    return about;
  } catch (const nlohmann::json::exception&) {
    reader.fail("attribute about of " + group + " does not say what the cell is");
  }
}

void write_cell(Hdf5Writer& writer, const Cell& cell) {
  std::string path = cell_path(cell);
  writer.group(path);
  writer.attribute(path, layout::cell_job, cell.job);
  writer.attribute(path, layout::cell_name, cell.name);
  if (!cell.about.method.empty())
    writer.attribute(path, layout::cell_about, about_to_json(cell.about).dump());
  write_targets(writer, cell);
  auto link = [&](const std::string& name, const std::string& id) {
    check_name(name);
    check_name(id);
    writer.soft_link(path + "/" + name, std::string(layout::tasks) + "/" + id);
  };
  for (const auto& [name, id] : cell.measures) link(name, id);
  for (const auto& [name, id] : cell.training) link(std::string(layout::training) + "/" + name, id);
  for (const auto& [name, id] : cell.judged) link(std::string(layout::judged) + "/" + name, id);
  if (!cell.retention.empty()) link(layout::retention, cell.retention);
}

// Reads the links below a cell's group; `name` is the path below the cell so far.
void read_links(const Hdf5Reader& reader, const std::string& group, const std::string& name, int depth,
                Cell& cell) {
  if (depth > most_nested) reader.fail(group + " is nested too deeply");
  const std::string prefix = std::string(layout::tasks) + "/", training = std::string(layout::training) + "/",
                    judged = std::string(layout::judged) + "/";
  for (const std::string& link : reader.links(group)) {
    std::string path = group + "/" + link, full_name = name.empty() ? link : name + "/" + link;
    std::optional<std::string> target = reader.soft_target(path);
    if (!target) {
      if (!reader.has_attribute(path, layout::cell_name))
        read_links(reader, path, full_name, depth + 1, cell);
      continue;
    }
    if (target->compare(0, prefix.size(), prefix) != 0) reader.fail(path + " does not link to a task");
    std::string id = target->substr(prefix.size());
    if (!is_task_id(id)) reader.fail(path + " links to no task's id");
    if (full_name.compare(0, training.size(), training) == 0) {
      cell.training[full_name.substr(training.size())] = id;
    } else if (full_name == layout::retention) {
      cell.retention = id;
    } else if (full_name.starts_with(judged)) {
      cell.judged[full_name.substr(judged.size())] = id;
    } else {
      cell.measures[full_name] = id;
    }
  }
}

void read_cells(const Hdf5Reader& reader, const std::string& group, int depth, std::vector<Cell>& cells) {
  if (depth > most_nested) reader.fail(group + " is nested too deeply");
  if (reader.has_attribute(group, layout::cell_name)) {
    Cell cell{reader.text(group, layout::cell_job), reader.text(group, layout::cell_name), {}, {}};
    cell.about = read_about(reader, group, cell);
    read_links(reader, group, "", 0, cell);
    cells.push_back(cell);
  }
  for (const std::string& link : reader.links(group)) {
    std::string path = group + "/" + link;
    if (!reader.soft_target(path)) read_cells(reader, path, depth + 1, cells);
  }
}

std::vector<Cell> read_index_file(const std::string& directory) {
  Hdf5Reader reader(index_path(directory));
  if (reader.text("/", layout::format) != layout::index_format) reader.fail("this is not an index");
  if (reader.integer("/", layout::version_name) != layout::index_version)
    reader.fail("its layout is of another version");
  const std::vector<std::string> parts = reader.links("/");
  if (std::find(parts.begin(), parts.end(), layout::cells) != parts.end()) {
    return unpack_cells(reader, {reader.dataset<std::string>(layout::cell_texts),
                                 reader.dataset<double>(layout::cell_targets)});
  }
  std::vector<Cell> cells;  // from an index older than the list
  read_cells(reader, layout::jobs, 0, cells);
  return cells;
}

// What is left of the index: its cells, or none when it is missing or damaged (the results say the rest).
std::vector<Cell> known_cells(const std::string& directory) {
  if (!std::filesystem::exists(index_path(directory))) return {};
  try {
    return read_index_file(directory);
  } catch (const DataError&) {
    return {};
  }
}

bool ordered(const Cell& a, const Cell& b) { return std::tie(a.job, a.name) < std::tie(b.job, b.name); }

std::string config_value(const TaskRecord& record, const std::string& key) {
  for (const auto& [name, value] : record.config) {
    if (name == key) return value;
  }
  return "";
}

// The record of a finished task, whatever its kind; nothing when the file is damaged.
std::optional<TaskRecord> read_record_of(const std::string& directory, const std::string& id) {
  try {
    return read_task_record(result_path(directory, id));
  } catch (const DataError&) {
    return std::nullopt;
  }
}

/// What the untouched model is asked, and which model it is: equal for two tasks of one cell. Cells of
/// several methods and targets share the answers' file, so it need not have their configuration.
std::string asked_of(const TaskRecord& record) {
  std::string all;
  for (const char* key : {"dataset", "model", "seed", "subjects", "base_type"})
    all += config_value(record, key) + "\n";
  return all;
}

using Records = std::map<std::string, TaskRecord>;

// "DATASET-METHOD" as a run names its cells, with the task's first digits when two tasks would share the
// name.
std::string recovered_name(const TaskRecord& record, const std::string& method,
                           const std::vector<Cell>& cells) {
  std::string dataset = std::filesystem::path(config_value(record, "dataset")).filename().string();
  std::string name = (dataset.empty() ? "unknown" : dataset) + "-" + method;
  bool taken = std::any_of(cells.begin(), cells.end(), [&](const Cell& cell) { return cell.name == name; });
  return taken ? name + " " + record.task.id.substr(0, 8) : name;
}

Cell trained_cell(const Records& records, const TaskRecord& last, const std::vector<Cell>& cells) {
  std::string method = config_value(last, "method");
  Cell cell{
      "recovered", recovered_name(last, method.empty() ? name_of(last.task.kind) : method, cells), {}, {}};
  for (auto at = records.find(last.task.id); at != records.end();) {
    const Task& task = at->second.task;
    // The program makes no chain that comes back to a kind it already has.
    if (!cell.training.emplace(name_of(task.kind), task.id).second) break;
    at = task.inputs.empty() ? records.end() : records.find(task.inputs.front());
  }
  for (const auto& [id, record] : records) {
    if (record.task.kind != TaskKind::measure) continue;
    const std::vector<std::string>& inputs = record.task.inputs;
    bool after = std::find(inputs.begin(), inputs.end(), last.task.id) != inputs.end();
    bool before =
        inputs.empty() && asking_of(record.task) == Asking::plainly && asked_of(record) == asked_of(last);
    if (after) cell.measures["after/" + record.task.test_set] = id;
    if (before) cell.measures.emplace("before/" + record.task.test_set, id);
  }
  return cell;
}

// Adds cells for datasets that no training task names: the untouched model, asked plainly or in a method's
// way.
void add_untrained_cells(const Records& records, std::vector<Cell>& cells) {
  std::set<std::string> placed;
  for (const Cell& cell : cells) {
    for (const auto& [name, id] : cell.measures) placed.insert(id);
  }
  std::map<std::pair<std::string, std::string>, Cell> found;  // by what is asked, and method
  for (const auto& [id, record] : records) {
    if (record.task.kind != TaskKind::measure || !record.task.inputs.empty() || placed.count(id)) continue;
    const bool plainly = asking_of(record.task) == Asking::plainly;
    const std::string method = plainly ? "zero-shot" : config_value(record, "method");
    const std::pair key(asked_of(record), method);
    if (!found.count(key)) found[key] = Cell{"recovered", recovered_name(record, method, cells), {}, {}};
    found[key].measures.emplace((plainly ? "before/" : "after/") + record.task.test_set, id);
  }
  for (const auto& [key, cell] : found) cells.push_back(cell);
}

/// Puts each judge's task in the cell with the answers that it judged.
void add_judged(const Records& records, std::vector<Cell>& cells) {
  for (const auto& [id, record] : records) {
    if (!is_judged(record.task)) continue;
    const std::vector<std::string>& inputs = record.task.inputs;
    for (Cell& cell : cells) {
      for (const auto& [name, measured] : cell.measures) {
        const bool of_this = std::find(inputs.begin(), inputs.end(), measured) != inputs.end();
        if (of_this) cell.judged[name + "/" + judge_name(record.task)] = id;
      }
    }
  }
}

}  // namespace

std::string cell_name(std::string text) {
  std::replace(text.begin(), text.end(), '/', ':');
  return text;
}

std::vector<std::string> finished_tasks(const std::string& directory) {
  std::vector<std::string> ids = names_in(directory + "/tasks");
  std::erase_if(ids, [&](const std::string& id) { return !has_result(directory, id); });
  return ids;
}

std::string fault_of_result(const std::string& directory, const std::string& id) {
  const std::string path = result_path(directory, id);
  try {
    const Task task = read_task_record(path).task;
    if (task.id != id) return path + ": it is the result of another task";
    std::string why;
    return verify_artefact(directory, task, why) == ArtefactState::absent ? path + ": it is gone" : why;
  } catch (const Error& error) {
    return error.what();
  }
}

std::set<std::string> tasks_of(const Cell& cell) {
  std::set<std::string> ids;
  for (const auto* names : {&cell.measures, &cell.training, &cell.judged}) {
    for (const auto& [name, id] : *names) ids.insert(id);
  }
  if (!cell.retention.empty()) ids.insert(cell.retention);
  return ids;
}

void write_cells(Hdf5Writer& writer, const std::vector<Cell>& cells, const std::function<void()>& pulse) {
  writer.group(layout::jobs);
  for (const Cell& cell : cells) {
    write_cell(writer, cell);
    pulse();
  }
  const CellList list = pack_cells(cells);
  writer.dataset(layout::cell_texts, list.texts);
  writer.dataset(layout::cell_targets, list.targets);
}

void write_index(const std::string& directory, const std::vector<Cell>& cells,
                 const std::function<void()>& pulse) {
  std::vector<Cell> all = known_cells(directory);
  all.insert(all.end(), cells.begin(), cells.end());
  pulse();
  replace_index(directory, all, pulse);
}

void replace_index(const std::string& directory, const std::vector<Cell>& cells,
                   const std::function<void()>& pulse) {
  std::map<std::pair<std::string, std::string>, Cell> all;  // of two with one name, the last
  for (const Cell& cell : cells) {
    check_name(cell.job);
    check_name(cell.name);
    all[{cell.job, cell.name}] = cell;
  }
  std::set<std::string> ids;
  for (const std::string& id : finished_tasks(directory)) ids.insert(id);
  for (const auto& [key, cell] : all) ids.merge(tasks_of(cell));
  Hdf5Writer writer(index_path(directory));
  writer.attribute("/", layout::format, layout::index_format);
  writer.attribute("/", layout::version_name, layout::index_version);
  writer.group(layout::tasks);
  for (const std::string& id : ids) {
    check_name(id);
    writer.external_link(std::string(layout::tasks) + "/" + id, "tasks/" + id + "/result.h5", "/");
  }
  std::vector<Cell> listed;
  for (auto& [key, cell] : all) listed.push_back(std::move(cell));
  write_cells(writer, listed, pulse);
  writer.commit();
}

std::vector<Cell> rebuild_cells(const std::string& directory) {
  Records records;
  std::set<std::string> continued;
  for (const std::string& id : finished_tasks(directory)) {
    std::optional<TaskRecord> record = read_record_of(directory, id);
    if (!record || record->task.id != id || record->task.kind == TaskKind::scale) continue;
    if (description_of(record->task.kind).trains)
      continued.insert(record->task.inputs.begin(), record->task.inputs.end());
    records.emplace(id, std::move(*record));
  }
  std::vector<Cell> cells;
  for (const auto& [id, record] : records) {
    bool last = description_of(record.task.kind).trains && !continued.count(id);
    if (last) cells.push_back(trained_cell(records, record, cells));
  }
  add_untrained_cells(records, cells);
  add_judged(records, cells);
  std::sort(cells.begin(), cells.end(), ordered);
  return cells;
}

void check_index(const std::string& directory) { read_index_file(directory); }

std::vector<Cell> indexed_cells(const std::string& directory) {
  std::vector<Cell> cells;
  if (std::filesystem::exists(index_path(directory))) cells = read_index_file(directory);
  std::sort(cells.begin(), cells.end(), ordered);
  return cells;
}

std::vector<Cell> read_index(const std::string& directory) {
  std::vector<Cell> cells = known_cells(directory);
  if (cells.empty()) cells = rebuild_cells(directory);
  if (cells.empty()) {
    throw UserError(directory + " holds no results: give the directory that `apportion run` wrote to");
  }
  std::sort(cells.begin(), cells.end(), ordered);
  return cells;
}

Cell only_cell(const std::vector<Cell>& cells, const std::string& name, const std::string& directory) {
  std::vector<std::string> names, whole;
  const Cell* found = nullptr;
  for (const Cell& cell : cells) {
    names.push_back(cell.name);
    const std::string full = cell.job + "/" + cell.name;
    if (cell_name(name) != cell.name && cell_name(name) != cell_name(full)) continue;
    whole.push_back(full);
    found = &cell;
  }
  if (!found)
    throw UserError(fmt::format("{} has no cell '{}'; did you mean '{}'?", directory, printable(name),
                                nearest_word(name, names)));
  if (whole.size() > 1)
    throw UserError(fmt::format("{} has the cell '{}' of {} jobs; give one of '{}'", directory,
                                printable(name), whole.size(), join(whole, "', '")));
  return *found;
}

}  // namespace apportion
