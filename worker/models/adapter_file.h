// Adapters on disk in PEFT's form: adapter_config.json and adapter_model.safetensors. The coordinator adds a
// card next to them when everything is measured.
#pragma once

#include <string>

#include "shared/architecture/shape.h"
#include "worker/models/lora.h"

namespace apportion {

/// Writes the folder's files, each under a temporary name first, and the configuration last. `base_model` is
/// what the job calls the model; `hub_name` is its name on the hub, if known, by which peft finds it
/// (shared/model_files/origin.h). Returns the SHA-256 of adapter_model.safetensors.
std::string save_adapter(const std::string& directory, const Adapter& adapter, const std::string& base_model,
                         const std::string& hub_name = "");

/// Reads a folder that save_adapter or peft wrote (float32, uniform rank). Throws UserError or DataError
/// naming the file, and the tensor that is missing or has another shape.
Adapter load_adapter(const std::string& directory, const ModelShape& shape, at::Device device);

}  // namespace apportion
