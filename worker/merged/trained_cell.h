// What a cell of a results folder has trained, found by the cell's name, with the model beside which it was.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "shared/config/command/command_line.h"
#include "shared/model_files/model_files.h"
#include "worker/models/lora.h"

namespace apportion {

struct TrainedCell {
  std::string model;  // as it was opened
  std::unique_ptr<ModelFiles> files;
  std::string path;                // of what was trained
  std::optional<Adapter> adapter;  // none: all weights were, and lie at `path` as transformers reads them
};

/// An empty `cell` is the only one. request.model says where its model is now. Throws UserError where there
/// is no such cell, where it has trained nothing or nothing is left of that, and where its model is not
/// found.
TrainedCell open_trained_cell(const std::string& directory, const std::string& cell,
                              const ExportRequest& request);

}  // namespace apportion
