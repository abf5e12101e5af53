// The shape of a decoder-only transformer: what the coordinator must know about a model, without Torch.
// block.h lists its tensors.
//
// All architectures are one block with more or less in it (transformers, modeling_llama.py,
// modeling_qwen2.py, modeling_qwen3.py, modeling_gemma2.py): qwen2 adds a bias to queries, keys and values;
// qwen3 a norm to each head's query and key; gemma2 norms on what a block adds, caps, and scales of its own;
// phi3 computes what llama does, with q, k and v in one tensor, and gate and up in another.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace apportion {

/// The gate's: x sigmoid(x), or GELU by the tanh (arXiv 1606.08415).
enum class Activation { silu, gelu };

struct ModelShape {
  std::string architecture;  // one of architecture_names()
  int64_t layers = 0;
  int64_t width = 0;       // C, the residual stream
  int64_t heads = 0;       // H
  int64_t kv_heads = 0;    // G
  int64_t head_dim = 0;    // D
  int64_t ffn_width = 0;   // F
  int64_t vocabulary = 0;  // V
  int64_t context_length = 0;
  double rope_theta = 10000;
  std::vector<double> rope_divisors = {};  // for each pair's frequency, D / 2 (rope.h); empty: 1
  double norm_epsilon = 1e-5;
  bool tied_embedding = false;
  bool qkv_bias = false;
  bool qk_norm = false;
  bool output_norms = false;  // on what attention and feed-forward add
  bool unit_offset = false;   // norms multiply by 1 + weight
  Activation activation = Activation::silu;
  double embedding_scale = 1;
  double attention_scale = 0;  // for scores; 0: 1 / sqrt(D)
  double attention_cap = 0;    // scores s become cap tanh(s / cap); 0: they stay
  double logits_cap = 0;       // the same for logits
  // Attention in a window that is smaller than the context: a token sees this many, the last ones, itself
  // included; 0: all layers see everything.
  int64_t window = 0;
  std::vector<bool> windowed = {};  // which layers have a window; empty without one

  /// Sets what the architecture's name implies for all models that have it.
  void set_traits();

  /// Gives the layers that are true in `layers` a window, unless that covers the whole context.
  void set_window(int64_t tokens, const std::vector<bool>& layers);
  bool has_window(int64_t layer) const { return window > 0 && windowed[static_cast<size_t>(layer)]; }

  /// Weights of the linear layers of all blocks: a forward pass costs twice as many FLOPs per token.
  int64_t block_parameters() const;
  /// Weights of all norms and biases.
  int64_t vector_parameters() const;
  /// All weights, a tied embedding counted once: what model cards state.
  int64_t parameters() const;
};

/// Every other layer, starting with the first: gemma2's windows unless its files say otherwise.
std::vector<bool> every_other_layer(int64_t layers);

/// All that are computed here; mistral counts as llama.
const std::vector<std::string>& architecture_names();
bool is_computed(const std::string& architecture);

}  // namespace apportion
