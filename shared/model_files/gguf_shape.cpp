// Reads a model's shape and checks every tensor of the file against it, so that loading the weights later
// meets no surprise. A tensor that this architecture does not have (biases, experts, scaled rotations) is an
// error here: ignoring it would compute another model. key_rules.h refuses keys that would do the same.
#include "shared/model_files/gguf_shape.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "shared/architecture/block.h"
#include "shared/base/error.h"
#include "shared/model_files/gguf_names.h"
#include "shared/model_files/key_rules.h"

namespace apportion {
namespace {

/// Each architecture has the keys under its own name.
std::string key_of(const ModelShape& shape, const std::string& name) {
  return shape.architecture + "." + name;
}

/// A positive size; the bound keeps every product of three sizes below 2^63.
int64_t size_of(const Gguf& gguf, const std::string& key) {
  constexpr uint64_t largest = 1 << 20;
  uint64_t size = gguf.integer(key);
  if (size < 1 || size > largest) {
    gguf.fail(key,
              key + " is " + std::to_string(size) + "; 1 to " + std::to_string(largest) + " is expected");
  }
  return static_cast<int64_t>(size);
}

double positive(const Gguf& gguf, const std::string& key, double otherwise) {
  if (!gguf.has(key)) return otherwise;
  double value = gguf.number(key);
  if (!std::isfinite(value) || value <= 0) gguf.fail(key, key + " is not a positive number");
  return value;
}

/// If a Gemma 2 file lacks this key, programs use values of their own; in other files a cap is 0
/// (key_rules.h).
double gemma2_cap(const Gguf& gguf, const std::string& key) {
  if (!gguf.has(key)) gguf.fail(key, "there is no " + key + ", and a gemma2 model has it");
  return positive(gguf, key, 0);
}

int64_t head_dim_of(const Gguf& gguf, const ModelShape& shape) {
  const std::string key = key_of(shape, "attention.key_length");
  if (gguf.has(key)) return size_of(gguf, key);
  if (shape.width % shape.heads != 0) {
    const std::string heads = key_of(shape, "attention.head_count");
    gguf.fail(heads, key_of(shape, "embedding_length") + " " + std::to_string(shape.width) +
                         " is not a multiple of " + heads + " " + std::to_string(shape.heads));
  }
  return shape.width / shape.heads;
}

void check_heads(const Gguf& gguf, const ModelShape& shape) {
  if (shape.heads % shape.kv_heads != 0) {
    const std::string kv_heads = key_of(shape, "attention.head_count_kv");
    gguf.fail(kv_heads, key_of(shape, "attention.head_count") + " " + std::to_string(shape.heads) +
                            " is not a multiple of " + kv_heads + " " + std::to_string(shape.kv_heads));
  }
  if (shape.head_dim % 2 != 0) {
    gguf.fail(key_of(shape, "attention.head_count"), "the size of a head, " + std::to_string(shape.head_dim) +
                                                         ", is odd; rotary positions need pairs");
  }
  for (const char* name : {"rope.dimension_count", "attention.value_length"}) {
    const std::string key = key_of(shape, name);
    if (gguf.has(key) && size_of(gguf, key) != shape.head_dim) {
      gguf.fail(key, key + " is " + std::to_string(gguf.integer(key)) +
                         "; only the size of a head is supported: " + std::to_string(shape.head_dim));
    }
  }
}

/// What is known about a tensor that is not one of ours.
std::string meaning_of(const std::string& name) {
  auto has = [&](const char* part) { return name.find(part) != std::string::npos; };
  if (name.ends_with(".bias")) return ": biases are not supported";
  if (has("rope_factors")) return ": rotations scaled by two sets of factors are not supported";
  if (has("_exps") || has("ffn_gate_inp") || has("_shexp")) return ": experts are not supported";
  if (has("attn_q_norm") || has("attn_k_norm")) return ": norms of queries and keys are not supported";
  return "";
}

void check_tensors(const Gguf& gguf, const ModelShape& shape) {
  // Fewer tensors than layers cannot be right, and a lie must not make the list below grow.
  if (gguf.tensors().size() < static_cast<uint64_t>(shape.layers)) {
    const std::string key = key_of(shape, "block_count");
    gguf.fail(key, key + " is " + std::to_string(shape.layers) + " but the file has " +
                       std::to_string(gguf.tensors().size()) + " tensors");
  }
  std::set<std::string> expected;
  for (const auto& [name, sizes] : tensors_of(shape)) expected.insert(gguf_tensor(gguf, name, sizes).name);
  if (!shape.rope_divisors.empty() && gguf.has_tensor(rope_divisors_name))
    expected.insert(rope_divisors_name);
  for (const auto& [name, tensor] : gguf.tensors()) {
    if (expected.count(name) == 0) {
      throw DataError(tensor.path, tensor.offset,
                      "tensor " + name + " does not belong to a supported " + shape.architecture + " model" +
                          meaning_of(name));
    }
  }
}

/// Llama 3.1's scaled rotations are a tensor in such files, linear scaling is a key.
std::vector<double> divisors_of(const Gguf& gguf, const ModelShape& shape) {
  const auto pairs = static_cast<size_t>(shape.head_dim / 2);
  const std::string type = key_of(shape, "rope.scaling.type"), factor = key_of(shape, "rope.scaling.factor");
  const bool linear = !gguf.has(type) || gguf.text(type) == "linear";
  // llama.cpp takes a factor of 0 for none.
  if (linear && gguf.has(factor) && gguf.number(factor) != 0)
    return std::vector<double>(pairs, positive(gguf, factor, 1));
  if (!gguf.has_tensor(rope_divisors_name)) return {};
  const GgufTensor& tensor = gguf.tensor(rope_divisors_name);
  if (tensor.type != TensorType::f32 || tensor.shape != std::vector<uint64_t>{pairs}) {
    throw DataError(tensor.path, tensor.offset,
                    tensor.name + " is not F32 of " + spell_shape({pairs}) + ", one for each pair of a head");
  }
  std::vector<float> values(pairs);
  dequantize(tensor.type, tensor.bytes, pairs, values.data());
  for (const float value : values) {
    if (!std::isfinite(value) || value <= 0)
      throw DataError(tensor.path, tensor.offset, tensor.name + " has a value that is not a positive number");
  }
  return {values.begin(), values.end()};
}

/// The window in tokens; 0: none. Older files of Phi-3's 4k models leave it out, and llama.cpp takes this one
/// (src/llama-model.cpp).
uint64_t window_of(const Gguf& gguf, const ModelShape& shape) {
  const std::string key = key_of(shape, "attention.sliding_window");
  if (gguf.has(key)) return gguf.integer(key);
  const bool is_phi3 = shape.architecture == "phi3";
  if (is_phi3 && shape.context_length == 4096 && (shape.layers == 32 || shape.layers == 40)) return 2047;
  if (is_phi3 || shape.architecture == "gemma2")
    gguf.fail(key, "there is no " + key + ", and a " + shape.architecture + " model has it");
  return 0;
}

/// Programs agree on which layers have a window only for gemma2, and only when the file does not say. In
/// other files the context ends at the window, within which attention is full.
void read_window(const Gguf& gguf, ModelShape& shape) {
  const uint64_t tokens = window_of(gguf, shape);
  if (tokens == 0 || tokens >= static_cast<uint64_t>(shape.context_length)) return;
  if (shape.architecture == "gemma2" && !gguf.has(key_of(shape, "attention.sliding_window_pattern"))) {
    shape.set_window(static_cast<int64_t>(tokens), every_other_layer(shape.layers));
  } else {
    shape.context_length = static_cast<int64_t>(tokens);
  }
}

int64_t vocabulary_of(const Gguf& gguf) {
  const GgufTensor& embedding = gguf.tensor("token_embd.weight");
  constexpr uint64_t largest = std::numeric_limits<int32_t>::max();
  if (embedding.shape.size() != 2 || embedding.shape[0] > largest) {
    throw DataError(
        embedding.path, embedding.offset,
        "token_embd.weight has shape " + spell_shape(embedding.shape) + "; [vocabulary, width] is expected");
  }
  constexpr const char* key = "tokenizer.ggml.tokens";
  if (gguf.has(key) && gguf.texts(key).size() != embedding.shape[0]) {
    gguf.fail(key, "the tokenizer has " + std::to_string(gguf.texts(key).size()) +
                       " tokens but token_embd.weight " + std::to_string(embedding.shape[0]) + " rows");
  }
  return static_cast<int64_t>(embedding.shape[0]);
}

}  // namespace

double gguf_gemma2_scale(const ModelShape& shape) {
  constexpr int64_t blocks_of_27b = 46;
  const int64_t of_heads = shape.layers == blocks_of_27b ? shape.width / shape.heads : shape.head_dim;
  return 1 / std::sqrt(static_cast<double>(of_heads));
}

ModelShape shape_of(const Gguf& gguf) {
  ModelShape shape;
  shape.architecture = gguf.text(architecture_key);
  if (!is_computed(shape.architecture)) {
    gguf.fail(architecture_key, fmt::format("general.architecture is {}; {} are supported",
                                            shape.architecture, fmt::join(architecture_names(), ", ")));
  }
  auto size = [&](const char* name) { return size_of(gguf, key_of(shape, name)); };
  shape.layers = size("block_count");
  shape.width = size("embedding_length");
  shape.heads = size("attention.head_count");
  const std::string kv_heads = key_of(shape, "attention.head_count_kv"),
                    context = key_of(shape, "context_length"),
                    epsilon = key_of(shape, "attention.layer_norm_rms_epsilon");
  shape.kv_heads = gguf.has(kv_heads) ? size_of(gguf, kv_heads) : shape.heads;
  shape.head_dim = head_dim_of(gguf, shape);
  shape.ffn_width = size("feed_forward_length");
  shape.context_length = static_cast<int64_t>(gguf.integer(context));
  if (shape.context_length < 1) gguf.fail(context, context + " is below 1");
  read_window(gguf, shape);
  shape.rope_theta = positive(gguf, key_of(shape, "rope.freq_base"), shape.rope_theta);
  shape.norm_epsilon = positive(gguf, epsilon, gguf.number(epsilon));  // must not be guessed
  shape.tied_embedding = !gguf.has_tensor("output.weight");
  shape.set_traits();
  if (shape.architecture == "gemma2") {
    shape.attention_cap = gemma2_cap(gguf, key_of(shape, "attn_logit_softcapping"));
    shape.logits_cap = gemma2_cap(gguf, key_of(shape, "final_logit_softcapping"));
    shape.attention_scale = gguf_gemma2_scale(shape);
  }
  shape.vocabulary = vocabulary_of(gguf);
  check_heads(gguf, shape);
  shape.rope_divisors = divisors_of(gguf, shape);
  check_tensors(gguf, shape);
  return shape;
}

}  // namespace apportion
