#include "coordinator/report/card/leave_cards.h"

#include <cstdio>
#include <exception>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "coordinator/report/card/model_card.h"
#include "coordinator/report/view/page_words.h"
#include "shared/base/file_system.h"
#include "shared/base/utf8.h"
#include "shared/model_files/model_files.h"
#include "shared/store/task_file.h"

namespace apportion {
namespace {

constexpr const char* card_name = "/README.md";

/// Where a model comes from, according to its own files.
struct Origin {
  std::string hub_name, license;
};

/// Opens each model only once: many cells share few models.
class Origins {
 public:
  const Origin& of(const std::string& model) {
    const auto known = origins_.find(model);
    if (known != origins_.end()) return known->second;
    const std::unique_ptr<ModelFiles> files = open_model(model);
    return origins_[model] = {files->hub_name(), files->license()};
  }

 private:
  std::map<std::string, Origin> origins_;
};

/// What a training task's folder holds; nothing if it was not kept.
struct TrainedFolder {
  std::string path;
  CardKind kind;
};

std::optional<TrainedFolder> trained_folder(const std::string& directory, const std::string& task) {
  const TrainedFolder adapter{adapter_directory(directory, task), CardKind::adapter},
      weights{weights_directory(directory, task), CardKind::weights};
  if (is_regular_file(adapter.path + "/adapter_config.json")) return adapter;
  if (is_regular_file(weights.path + "/config.json")) return weights;
  return std::nullopt;
}

int rank_of(const TrainedFolder& folder) {
  if (folder.kind != CardKind::adapter) return 0;
  const auto config = parse_json<nlohmann::json>(read_file(folder.path + "/adapter_config.json"));
  return config.is_object() ? config.value("r", 0) : 0;
}

/// Training tasks in the order in which they ran.
std::vector<std::string> stages_of(const Cell& cell) {
  std::vector<std::string> stages;
  for (const char* stage : {"sft", "calibrate"}) {
    const auto found = cell.training.find(stage);
    if (found != cell.training.end()) stages.push_back(found->second);
  }
  return stages;
}

/// A task that trained for a cell, whose results go on its card.
struct Told {
  std::string task;
  bool is_last;  // of the cell's training
};

/// The tasks to tell of, by cell.
std::map<size_t, std::vector<Told>> told_by(const std::vector<Cell>& cells) {
  std::map<std::string, std::pair<size_t, bool>>
      tellers;  // by task: the cell, and whether the task is its last
  for (size_t cell = 0; cell < cells.size(); ++cell) {
    const std::vector<std::string> stages = stages_of(cells[cell]);
    for (const std::string& task : stages) {
      const bool is_last = task == stages.back();
      const auto [entry, is_new] = tellers.emplace(task, std::pair(cell, is_last));
      if (!is_new && is_last && !entry->second.second) entry->second = {cell, is_last};
    }
  }
  std::map<size_t, std::vector<Told>> told;
  for (const auto& [task, teller] : tellers) told[teller.first].push_back({task, teller.second});
  return told;
}

/// Whether a card with this key should be written there.
bool is_wanted(const std::string& path, bool is_last, const std::string& key) {
  if (!path_exists(path)) return true;
  if (!is_last || !is_regular_file(path)) return false;
  const std::optional<std::string> there = key_of_own_card(read_file(path));
  return there && *there != key;
}

/// The cell as others would name it: without its files' paths on this machine.
Cell without_places(Cell cell) {
  for (std::string* path : {&cell.about.dataset, &cell.about.model}) *path = short_name(*path);
  if (cell.about.target.ends_with(".csv")) cell.about.target = short_name(cell.about.target);
  return cell;
}

/// For an older index the names come from the files, as they were typed.
CellView load_without_places(const std::string& directory, const Cell& cell) {
  CellView view = load_cell(directory, without_places(cell));
  view.dataset = short_name(view.dataset);
  if (view.target.ends_with(".csv")) view.target = short_name(view.target);
  return view;
}

void say_not_written(const std::string& path, const std::exception& error) {
  std::fprintf(stderr, "the card %s was not written: %s\n", path.c_str(), error.what());
}

/// The cards of one cell; reads its files only if a card is to be written.
void leave_cards_of(const std::string& directory, const Cell& cell, const std::vector<Told>& told,
                    Origins& origins) {
  std::optional<CellView> view;
  for (const auto& [task, is_last] : told) {
    const std::optional<TrainedFolder> folder = trained_folder(directory, task);
    if (!folder) continue;
    const std::string path = folder->path + card_name;
    try {
      const Origin& origin = origins.of(cell.about.model);
      const CardSubject subject{folder->kind, task, origin.hub_name, origin.license, rank_of(*folder)};
      const Cell named = without_places(cell);
      if (!is_wanted(path, is_last, card_key(named, subject))) continue;
      if (!view) view = load_without_places(directory, cell);
      if (view->problems.empty()) write_file(path, model_card(*view, subject));
    } catch (const std::exception& error) {
      say_not_written(path, error);
    }
  }
}

}  // namespace

void leave_cards(const std::string& directory, const std::vector<Cell>& cells) {
  Origins origins;
  for (const auto& [cell, told] : told_by(cells)) leave_cards_of(directory, cells[cell], told, origins);
}

void leave_card_of_export(const std::string& directory, const std::string& cell, const std::string& model,
                          const std::string& folder) {
  const std::string path = folder + card_name;
  try {
    const std::vector<Cell> cells = read_index(directory);
    const Cell of = cell.empty() ? cells.front() : only_cell(cells, cell, directory);
    const std::vector<std::string> stages = stages_of(of);
    const std::optional<TrainedFolder> trained =
        stages.empty() ? std::nullopt : trained_folder(directory, stages.back());
    if (!trained || path_exists(path)) return;
    const CellView view = load_without_places(directory, of);
    throw_if_any(view.problems);
    const std::string& of_job = of.about.model.empty() ? view.model : of.about.model;
    const Origin origin = Origins().of(model.empty() ? of_job : model);
    const CardKind kind = trained->kind == CardKind::adapter ? CardKind::merged : CardKind::weights;
    write_file(path, model_card(view, {kind, stages.back(), origin.hub_name, origin.license, 0}));
  } catch (const std::exception& error) {
    say_not_written(path, error);
  }
}

}  // namespace apportion
