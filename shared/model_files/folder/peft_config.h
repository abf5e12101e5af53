// adapter_config.json of a LoRA adapter, as peft writes it (peft, tuners/lora/config.py).
#pragma once

#include <cstdint>
#include <string>

#include "shared/config/run_config.h"

namespace apportion {

/// Rank, alpha, targets and share of the blocks of the adapter in that folder, for a model of so many blocks.
/// Throws UserError where the file cannot be read, DataError for what is not computed here.
LoraConfig read_peft_config(const std::string& directory, int64_t layers);

/// SHA-256 over what the folder's files decide. Throws UserError for a file that is not there.
std::string adapter_digest(const std::string& directory);

}  // namespace apportion
