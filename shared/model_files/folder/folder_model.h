// A model as transformers saves it in a folder: config.json, safetensors, tokenizer.json,
// tokenizer_config.json.
#pragma once

#include <memory>
#include <string>

#include "shared/model_files/model_files.h"

namespace apportion {

/// Reads and checks everything but the weights' values. Throws what read_config, folder_tensors and
/// TokenizerJson do, and UserError that names a missing file.
std::unique_ptr<ModelFiles> open_folder(const std::string& directory);

/// Only the shape, which needs no file but config.json. Throws as open_folder does.
ModelShape shape_of_folder(const std::string& directory);

}  // namespace apportion
