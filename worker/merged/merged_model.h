// The result of a cell's training as a model that needs nothing else: its adapter merged into the weights
// that it was trained with, or all its weights.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "shared/config/command/command_line.h"

namespace apportion {

/// Writes request.merged, the model that the results folder's cell has trained: a folder (config.json,
/// model.safetensors in float32, the tokenizer's files), or with request.gguf a GGUF file with matrices of
/// that type. `told` is called before each tensor is written. Returns a line about it. Throws as
/// open_trained_cell does, and UserError if the name is taken or a GGUF file cannot hold the model.
std::string export_merged(const std::string& directory, const std::string& cell, const ExportRequest& request,
                          const std::function<void(size_t done, size_t all)>& told);

}  // namespace apportion
