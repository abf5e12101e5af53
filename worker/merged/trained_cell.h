// What a cell of a results folder has trained, found by the cell's name, and the model that it was trained
// with.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "shared/config/command/command_line.h"
#include "shared/model_files/model_files.h"
#include "worker/models/lora.h"

namespace apportion {

struct TrainedCell {
  std::string model;  // the name it was opened by
  std::unique_ptr<ModelFiles> files;
  std::string path;                // of the trained adapter or weights
  std::optional<Adapter> adapter;  // none: all weights, at `path` in transformers' form
};

/// An empty `cell` stands for the only one. request.model says where its model is now. Throws UserError if
/// there is no such cell, if it has trained nothing or nothing of that is left, or if its model is not found.
TrainedCell open_trained_cell(const std::string& directory, const std::string& cell,
                              const ExportRequest& request);

}  // namespace apportion
