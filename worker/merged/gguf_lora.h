// A trained adapter in the form that llama.cpp reads together with a GGUF file of its model (--lora).
#pragma once

#include <string>

#include "shared/config/command/command_line.h"

namespace apportion {

/// Writes the GGUF file request.gguf_lora, in float32, in the form of llama.cpp's convert_lora_to_gguf.py:
/// for each matrix NAME the tensors NAME.lora_a [r, inputs] and NAME.lora_b [outputs, r], with rows in the
/// matrix's order. Returns a line about it. Throws as open_trained_cell does, and UserError if the cell has
/// trained all weights or the file exists.
std::string export_gguf_lora(const std::string& directory, const std::string& cell,
                             const ExportRequest& request);

}  // namespace apportion
