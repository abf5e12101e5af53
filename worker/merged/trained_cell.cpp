#include "worker/merged/trained_cell.h"

#include <ATen/ATen.h>

#include <utility>
#include <vector>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/model_files/shape_text.h"
#include "shared/store/index.h"
#include "shared/store/task_file.h"
#include "worker/models/adapter_file.h"

namespace apportion {
namespace {

/// An empty name stands for the only cell.
Cell cell_of(const std::string& directory, const std::string& name) {
  const std::vector<Cell> cells = read_index(directory);
  if (!name.empty()) return only_cell(cells, name, directory);
  if (cells.size() == 1) return cells.front();
  throw UserError(directory + " has " + std::to_string(cells.size()) +
                  " cells; --adapter names one, such as '" + cells.front().name + "'");
}

/// The last task that trained the cell.
std::string trained_by(const Cell& cell) {
  for (const char* stage : {"calibrate", "sft"}) {
    const auto found = cell.training.find(stage);
    if (found != cell.training.end()) return found->second;
  }
  throw UserError("the cell '" + cell.name + "' trains nothing");
}

/// The folder of a cell's adapter, or of all its weights.
struct Trained {
  std::string path;
  bool is_adapter;
};

Trained trained_in(const std::string& directory, const Cell& cell) {
  const std::string task = trained_by(cell);
  const Trained adapter{adapter_directory(directory, task), true},
      weights{weights_directory(directory, task), false};
  if (is_regular_file(adapter.path + "/adapter_config.json")) return adapter;
  if (is_regular_file(weights.path + "/config.json")) return weights;
  throw UserError(adapter.path + " is not there: the cell is not finished, or what it trained was not kept");
}

/// Opens the model; its path may be relative to where the job was run.
std::unique_ptr<ModelFiles> open_again(const std::string& model) {
  try {
    return open_model(model);
  } catch (const UserError& error) {
    throw UserError(std::string(error.what()) + "; --model says where the cell's model is now");
  }
}

}  // namespace

TrainedCell open_trained_cell(const std::string& directory, const std::string& cell,
                              const ExportRequest& request) {
  const Cell of = cell_of(directory, cell);
  Trained trained = trained_in(directory, of);
  std::string model = request.model.empty() ? of.about.model : request.model;
  if (is_shape_text(model)) throw UserError(model + " has no weights and no tokens of its own to write");
  std::unique_ptr<ModelFiles> files = open_again(model);
  std::optional<Adapter> adapter;
  if (trained.is_adapter) adapter = load_adapter(trained.path, files->shape(), at::kCPU);
  return {std::move(model), std::move(files), std::move(trained.path), std::move(adapter)};
}

}  // namespace apportion
