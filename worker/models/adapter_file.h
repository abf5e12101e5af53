// Adapters on disk in PEFT's form: adapter_config.json and adapter_model.safetensors. The card
// that lies beside them when all is measured is the coordinator's.
#pragma once

#include <string>

#include "shared/architecture/shape.h"
#include "worker/models/lora.h"

namespace apportion {

/// Writes the folder's files, the configuration last, each under a temporary name first. `base_model` is what
/// the job calls the model, `hub_name` its name on the hub, by which peft finds it, where that is known
/// (shared/model_files/origin.h). Returns the SHA-256 of adapter_model.safetensors.
std::string save_adapter(const std::string& directory, const Adapter& adapter, const std::string& base_model,
                         const std::string& hub_name = "");

/// Reads a folder that save_adapter or peft wrote (float32, uniform rank). Throws UserError or DataError
/// naming the file, and the tensor that is absent or of another shape.
Adapter load_adapter(const std::string& directory, const ModelShape& shape, at::Device device);

}  // namespace apportion
