// A model as transformers saves it in a folder: config.json, safetensors, tokenizer.json,
// tokenizer_config.json.
#pragma once

#include <memory>
#include <string>

#include "shared/model_files/model_files.h"

namespace apportion {

/// Reads and checks all but the weights' values. Throws what read_config, folder_tensors and TokenizerJson
/// do, and UserError that names a file which is not there.
std::unique_ptr<ModelFiles> open_folder(const std::string& directory);

/// The shape alone, for which no more than config.json is read. Throws as open_folder.
ModelShape shape_of_folder(const std::string& directory);

}  // namespace apportion
