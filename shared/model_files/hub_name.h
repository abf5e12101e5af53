// A model's name on the Hugging Face hub ("HuggingFaceTB/SmolLM2-135M-Instruct"), from what its GGUF file
// says of where it came from.
#pragma once

#include <string>

#include "shared/model_files/gguf.h"

namespace apportion {

/// The model of which this file is a copy in GGUF's form: its source, or the base model of a file that is no
/// more than that model packed; empty where the file does not tell.
std::string hub_name(const Gguf& gguf);

}  // namespace apportion
