// config.json of a Hugging Face folder: its architecture and sizes, and whether anything in it changes the
// mathematics in a way that is not computed here.
#pragma once

#include <string>

#include "shared/architecture/shape.h"

namespace apportion {

/// The shape that `path` (config.json, untrusted) describes: model_type llama, mistral, qwen2, qwen3, gemma2
/// or phi3, as transformers 4 and 5 write them. A llama's context is no longer than the window that its file
/// names. Throws UserError naming file and key for an architecture, scaling or activation that is not
/// computed here, for a key that nobody here knows, and for sizes that make no sense.
ModelShape read_config(const std::string& path);

}  // namespace apportion
