// adapter_config.json of a LoRA adapter, as peft writes it (peft, tuners/lora/config.py).
#pragma once

#include <cstdint>
#include <string>

#include "shared/config/run_config.h"

namespace apportion {

/// Rank, alpha, targets and share of the blocks of the adapter in that folder, for a model with `layers`
/// blocks. Throws UserError when the file cannot be read, DataError for what is not computed here.
LoraConfig read_peft_config(const std::string& directory, int64_t layers);

/// SHA-256 over what the folder's files decide. Throws UserError for a missing file.
std::string adapter_digest(const std::string& directory);

}  // namespace apportion
