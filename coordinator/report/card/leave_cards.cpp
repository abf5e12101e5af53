#include "coordinator/report/card/leave_cards.h"

#include <cstdio>
#include <exception>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "coordinator/report/card/model_card.h"
#include "shared/base/file_system.h"
#include "shared/base/utf8.h"
#include "shared/model_files/model_files.h"
#include "shared/store/task_file.h"

namespace apportion {
namespace {

constexpr const char* card_name = "/README.md";

/// What a model's own files say of where it comes from.
struct Origin {
  std::string hub_name, license;
};

/// Of many cells few models are opened.
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

/// What lies in a training task's folder; nothing where it was not kept.
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

/// Training tasks in the order of their work.
std::vector<std::string> stages_of(const Cell& cell) {
  std::vector<std::string> stages;
  for (const char* stage : {"sft", "calibrate"}) {
    const auto found = cell.training.find(stage);
    if (found != cell.training.end()) stages.push_back(found->second);
  }
  return stages;
}

/// Whose results a task's card tells.
struct Teller {
  size_t cell;
  bool is_last;  // of its training
};

std::map<std::string, Teller> tellers_of(const std::vector<Cell>& cells) {
  std::map<std::string, Teller> tellers;
  for (size_t cell = 0; cell < cells.size(); ++cell) {
    const std::vector<std::string> stages = stages_of(cells[cell]);
    for (const std::string& task : stages) {
      const Teller teller{cell, task == stages.back()};
      const auto [entry, is_new] = tellers.emplace(task, teller);
      if (!is_new && teller.is_last && !entry->second.is_last) entry->second = teller;
    }
  }
  return tellers;
}

/// Whether a card may be written there.
bool has_room(const std::string& card, bool is_last) {
  if (!path_exists(card)) return true;
  return is_last && is_regular_file(card) && is_own_card(read_file(card));
}

/// A place of this machine's is told by its name alone.
std::string name_of(const std::string& path) { return std::filesystem::path(path).filename().string(); }

/// The cell as others know it, too: without the places that its dataset and its target have here.
CellView without_places(CellView view) {
  if (view.dataset.find('/') != std::string::npos) view.dataset = name_of(view.dataset);
  if (view.target.ends_with(".csv")) view.target = name_of(view.target);
  return view;
}

void write_card(const std::string& path, CellView view, const CardSubject& subject) {
  const std::string card = model_card(without_places(std::move(view)), subject);
  if (!path_exists(path) || read_file(path) != card) write_file(path, card);
}

void say_not_written(const std::string& path, const std::exception& error) {
  std::fprintf(stderr, "the card %s was not written: %s\n", path.c_str(), error.what());
}

void leave_card(const std::string& directory, const Cell& cell, const std::string& task, bool is_last,
                Origins& origins) {
  const std::optional<TrainedFolder> folder = trained_folder(directory, task);
  if (!folder) return;
  const std::string path = folder->path + card_name;
  try {
    if (!has_room(path, is_last)) return;
    CellView view = load_cell(directory, cell);
    if (!view.problems.empty()) return;
    const Origin& origin = origins.of(view.model);
    write_card(path, std::move(view),
               {folder->kind, task, origin.hub_name, origin.license, rank_of(*folder)});
  } catch (const std::exception& error) {
    say_not_written(path, error);
  }
}

}  // namespace

void leave_cards(const std::string& directory, const std::vector<Cell>& cells) {
  Origins origins;
  for (const auto& [task, teller] : tellers_of(cells))
    leave_card(directory, cells[teller.cell], task, teller.is_last, origins);
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
    CellView view = load_cell(directory, of);
    throw_if_any(view.problems);
    const Origin origin = Origins().of(model.empty() ? view.model : model);
    const CardKind kind = trained->kind == CardKind::adapter ? CardKind::merged : CardKind::weights;
    write_card(path, std::move(view), {kind, stages.back(), origin.hub_name, origin.license, 0});
  } catch (const std::exception& error) {
    say_not_written(path, error);
  }
}

}  // namespace apportion
