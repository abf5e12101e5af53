// A trained adapter as llama.cpp reads it beside a GGUF file of its model (--lora).
#pragma once

#include <string>

#include "shared/config/command/command_line.h"

namespace apportion {

/// Writes the GGUF file request.gguf_lora, in float32, as llama.cpp's convert_lora_to_gguf.py has it: of each
/// matrix NAME the tensors NAME.lora_a [r, inputs] and NAME.lora_b [outputs, r], whose rows lie as the
/// matrix's do. Returns a line about it. Throws what open_trained_cell does, and UserError where the cell
/// has trained all weights and where the file exists.
std::string export_gguf_lora(const std::string& directory, const std::string& cell,
                             const ExportRequest& request);

}  // namespace apportion
