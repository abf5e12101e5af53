// The tensors of a model, listed once: what each linear layer and norm of a transformer block is called, how
// large it is, and which layers are computed as one product. Memory, FLOPs, LoRA's targets, loading and
// saving read this list. Names are Hugging Face's (transformers, modeling_llama.py); other files' names are
// translated on reading (model_files/gguf_names.h).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "shared/architecture/shape.h"

namespace apportion {

/// y = x W^T. Names in this file are literals.
struct LinearLayer {
  std::string_view name;  // within its block: "self_attn.q_proj"
  int64_t inputs = 0, outputs = 0;
  int64_t first_row = 0;  // of its outputs, among those of its product

  /// Its name in the key lora_targets: "q_proj".
  std::string_view target() const { return name.substr(name.rfind('.') + 1); }
};

/// Linear layers that read the same input, computed as one product: their rows are stacked.
using FusedLayers = std::vector<LinearLayer>;

int64_t inputs_of(const FusedLayers& layers);
/// Rows of all layers together.
int64_t outputs_of(const FusedLayers& layers);

/// A norm's weights, one per channel, or a linear layer's bias.
struct VectorWeights {
  std::string_view name;  // within its block: "input_layernorm.weight", "self_attn.q_proj.bias"
  int64_t size = 0;
};

struct BlockDescription {
  std::vector<FusedLayers> products;  // in the order of use
  std::vector<VectorWeights> vectors;
};

BlockDescription describe_block(const ModelShape& shape);

/// The prefix of a block's tensor names: "model.layers.3.".
std::string block_prefix(int64_t layer);
/// The name of a linear layer's tensor in the model, which ends in ".weight".
std::string weight_name(int64_t layer, std::string_view part);

inline constexpr const char* embedding_name = "model.embed_tokens.weight";
inline constexpr const char* head_name = "lm_head.weight";  // when the embedding is not tied
inline constexpr const char* output_norm_name = "model.norm.weight";

/// The sizes, outermost first, of every tensor that a model of this shape has, by name.
std::map<std::string, std::vector<int64_t>> tensors_of(const ModelShape& shape);

/// The linear layers of a Llama block, the default of lora_targets (lora_targets.h).
std::vector<std::string> lora_target_names();

}  // namespace apportion
