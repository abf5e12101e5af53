// Which linear layers of a model lora_targets names. Its default, the layers of a Llama block, means all
// layers of every model: a tensor that has the rows of several layers is named by all their names together.
#pragma once

#include <string>
#include <vector>

#include "shared/architecture/block.h"

namespace apportion {

/// All names that lora_targets may have: those of every architecture's layers.
std::vector<std::string> all_lora_targets();

/// The names of this model's layers.
std::vector<std::string> lora_targets_of(const ModelShape& shape);

/// Whether the layer is named, by itself or by all layers whose rows it has ("qkv_proj": q_proj, k_proj,
/// v_proj).
bool is_lora_target(const LinearLayer& linear, const std::vector<std::string>& targets);

/// Throws UserError for a target that names no layer of the model and would go without its adapter.
void check_lora_targets(const ModelShape& shape, const std::vector<std::string>& targets);

}  // namespace apportion
