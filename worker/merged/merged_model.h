// What a cell has trained as a model that needs nothing else: its adapter added into the weights that it was
// trained beside, or all weights.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "shared/config/command/command_line.h"

namespace apportion {

/// Writes request.merged, the model that the cell of the results folder has trained: a folder (config.json,
/// model.safetensors in float32, the tokenizer's files), or with request.gguf a GGUF file whose matrices are
/// of that type. Returns a line about it. Throws what open_trained_cell does, and UserError where the name is
/// taken and for what a GGUF file cannot have. `told` hears of each tensor before it is written.
std::string export_merged(const std::string& directory, const std::string& cell, const ExportRequest& request,
                          const std::function<void(size_t done, size_t all)>& told);

}  // namespace apportion
