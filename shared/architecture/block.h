// The tensors of a model, listed once: what each linear layer and norm of a transformer block is called, how
// large it is and which layers are computed as one product. Memory, FLOPs, LoRA's targets, loading and saving
// read this list. Names are Hugging Face's (transformers, modeling_llama.py); other files' are translated
// where they are read (model_files/gguf_names.h).
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
  int64_t first_row = 0;  // of its outputs among those of its product

  /// What the key lora_targets calls it: "q_proj".
  std::string_view target() const { return name.substr(name.rfind('.') + 1); }
};

/// Linear layers that read the same input, computed as one product: their rows lie on top of each other.
using FusedLayers = std::vector<LinearLayer>;

int64_t inputs_of(const FusedLayers& layers);
/// Rows of all layers together.
int64_t outputs_of(const FusedLayers& layers);

/// The weights of a norm, one a channel, or the bias of a linear layer.
struct VectorWeights {
  std::string_view name;  // within its block: "input_layernorm.weight", "self_attn.q_proj.bias"
  int64_t size = 0;
};

struct BlockDescription {
  std::vector<FusedLayers> products;  // in the order of use
  std::vector<VectorWeights> vectors;
};

BlockDescription describe_block(const ModelShape& shape);

/// What the names of a block's tensors begin with: "model.layers.3.".
std::string block_prefix(int64_t layer);
/// The tensor of a linear layer: its name in the model, with ".weight" behind it.
std::string weight_name(int64_t layer, std::string_view part);

inline constexpr const char* embedding_name = "model.embed_tokens.weight";
inline constexpr const char* head_name = "lm_head.weight";  // of a model whose embedding is not tied
inline constexpr const char* output_norm_name = "model.norm.weight";

/// The sizes, outermost first, of every tensor that a model of this shape has, by name.
std::map<std::string, std::vector<int64_t>> tensors_of(const ModelShape& shape);

/// The linear layers of a Llama's block, which lora_targets has by default (lora_targets.h).
std::vector<std::string> lora_target_names();

}  // namespace apportion
