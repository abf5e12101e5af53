// Reads a llama-family model's shape and holds every tensor of the file against it, so that what loads the
// weights later meets no surprise. A tensor that this architecture does not have (biases, experts, scaled
// rotations) is an error here: ignoring it would compute another model. Keys that would do so are the
// reader's to refuse (key_rules.h).
#include "shared/model/shape.h"

#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "shared/base/error.h"

namespace apportion {
namespace {

using Shape = std::vector<uint64_t>;

/// A positive size; the bound keeps every product of three sizes below 2^63.
int64_t size_of(const Gguf& gguf, const std::string& key) {
  constexpr uint64_t largest = 1 << 20;
  uint64_t size = gguf.integer(key);
  if (size < 1 || size > largest) {
    gguf.fail(key, key + " is " + std::to_string(size) + "; 1 to " + std::to_string(largest) + " is right");
  }
  return static_cast<int64_t>(size);
}

double positive(const Gguf& gguf, const std::string& key, double otherwise) {
  if (!gguf.has(key)) return otherwise;
  double value = gguf.number(key);
  if (!std::isfinite(value) || value <= 0) gguf.fail(key, key + " is not a positive number");
  return value;
}

int64_t head_dim_of(const Gguf& gguf, const ModelShape& shape) {
  constexpr const char* key = "llama.attention.key_length";
  if (gguf.has(key)) return size_of(gguf, key);
  if (shape.width % shape.heads != 0) {
    gguf.fail("llama.attention.head_count", "llama.embedding_length " + std::to_string(shape.width) +
                                                " is not a multiple of llama.attention.head_count " +
                                                std::to_string(shape.heads));
  }
  return shape.width / shape.heads;
}

void check_heads(const Gguf& gguf, const ModelShape& shape) {
  if (shape.heads % shape.kv_heads != 0) {
    gguf.fail("llama.attention.head_count_kv", "llama.attention.head_count " + std::to_string(shape.heads) +
                                                   " is not a multiple of llama.attention.head_count_kv " +
                                                   std::to_string(shape.kv_heads));
  }
  if (shape.head_dim % 2 != 0) {
    gguf.fail("llama.attention.head_count", "the size of a head, " + std::to_string(shape.head_dim) +
                                                ", is odd; rotary positions need pairs");
  }
  for (const char* key : {"llama.rope.dimension_count", "llama.attention.value_length"}) {
    if (gguf.has(key) && size_of(gguf, key) != shape.head_dim) {
      gguf.fail(key, std::string(key) + " is " + std::to_string(gguf.integer(key)) +
                         "; the size of a head is known here: " + std::to_string(shape.head_dim));
    }
  }
}

std::string spell(const Shape& shape) {
  std::string text;
  for (uint64_t size : shape) text += (text.empty() ? "[" : ", ") + std::to_string(size);
  return text + "]";
}

/// What is known of a tensor that is none of ours.
std::string meaning_of(const std::string& name) {
  auto has = [&](const char* part) { return name.find(part) != std::string::npos; };
  if (name.ends_with(".bias")) return ": biases are not computed here";
  if (has("rope_freqs") || has("rope_factors"))
    return ": rotations scaled by their frequency (as Llama 3.1 has them) are not computed here";
  if (has("_exps") || has("ffn_gate_inp") || has("_shexp")) return ": experts are not computed here";
  if (has("attn_q_norm") || has("attn_k_norm")) return ": norms of queries and keys are not computed here";
  return "";
}

void check_tensors(const Gguf& gguf, const ModelShape& shape) {
  // Fewer tensors than layers cannot be right, and the list below must not grow with a lie.
  if (gguf.tensors().size() < static_cast<uint64_t>(shape.layers)) {
    gguf.fail("llama.block_count", "llama.block_count is " + std::to_string(shape.layers) +
                                       " but the file has " + std::to_string(gguf.tensors().size()) +
                                       " tensors");
  }
  std::map<std::string, Shape> expected = tensors_of(shape);
  for (const auto& [name, sizes] : expected) {
    const GgufTensor& tensor = gguf.tensor(name);
    if (tensor.shape != sizes) {
      throw DataError(
          gguf.path(), tensor.offset,
          "tensor " + name + " has shape " + spell(tensor.shape) + "; " + spell(sizes) + " is right");
    }
  }
  for (const auto& [name, tensor] : gguf.tensors()) {
    if (expected.count(name) == 0) {
      throw DataError(gguf.path(), tensor.offset,
                      "tensor " + name + " is none of a llama model known here" + meaning_of(name));
    }
  }
}

int64_t vocabulary_of(const Gguf& gguf) {
  const GgufTensor& embedding = gguf.tensor("token_embd.weight");
  constexpr uint64_t largest = std::numeric_limits<int32_t>::max();
  if (embedding.shape.size() != 2 || embedding.shape[0] > largest) {
    throw DataError(
        gguf.path(), embedding.offset,
        "token_embd.weight has shape " + spell(embedding.shape) + "; [vocabulary, width] is right");
  }
  constexpr const char* key = "tokenizer.ggml.tokens";
  if (gguf.has(key) && gguf.texts(key).size() != embedding.shape[0]) {
    gguf.fail(key, "the tokenizer has " + std::to_string(gguf.texts(key).size()) +
                       " tokens but token_embd.weight " + std::to_string(embedding.shape[0]) + " rows");
  }
  return static_cast<int64_t>(embedding.shape[0]);
}

}  // namespace

int64_t ModelShape::block_parameters() const {
  int64_t attention = 2 * width * heads * head_dim + 2 * width * kv_heads * head_dim;
  return layers * (attention + 3 * width * ffn_width);
}

int64_t ModelShape::parameters() const {
  return block_parameters() + (2 * layers + 1) * width + (tied_embedding ? 1 : 2) * vocabulary * width;
}

std::map<std::string, std::vector<uint64_t>> tensors_of(const ModelShape& shape) {
  auto size = [](int64_t value) { return static_cast<uint64_t>(value); };
  uint64_t width = size(shape.width), ffn = size(shape.ffn_width);
  uint64_t query = size(shape.heads * shape.head_dim), key = size(shape.kv_heads * shape.head_dim);
  std::map<std::string, Shape> tensors;
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    std::string block = "blk." + std::to_string(layer) + ".";
    tensors[block + "attn_norm.weight"] = {width};
    tensors[block + "attn_q.weight"] = {query, width};
    tensors[block + "attn_k.weight"] = {key, width};
    tensors[block + "attn_v.weight"] = {key, width};
    tensors[block + "attn_output.weight"] = {width, query};
    tensors[block + "ffn_norm.weight"] = {width};
    tensors[block + "ffn_gate.weight"] = {ffn, width};
    tensors[block + "ffn_up.weight"] = {ffn, width};
    tensors[block + "ffn_down.weight"] = {width, ffn};
  }
  tensors["token_embd.weight"] = {size(shape.vocabulary), width};
  tensors["output_norm.weight"] = {width};
  if (!shape.tied_embedding) tensors["output.weight"] = {size(shape.vocabulary), width};
  return tensors;
}

ModelShape shape_of(const Gguf& gguf) {
  ModelShape shape;
  shape.architecture = gguf.text("general.architecture");
  if (shape.architecture != "llama") {
    gguf.fail("general.architecture",
              "general.architecture is " + shape.architecture + "; llama is known here");
  }
  shape.layers = size_of(gguf, "llama.block_count");
  shape.width = size_of(gguf, "llama.embedding_length");
  shape.heads = size_of(gguf, "llama.attention.head_count");
  constexpr const char* kv_heads = "llama.attention.head_count_kv";
  shape.kv_heads = gguf.has(kv_heads) ? size_of(gguf, kv_heads) : shape.heads;
  shape.head_dim = head_dim_of(gguf, shape);
  shape.ffn_width = size_of(gguf, "llama.feed_forward_length");
  shape.context_length = static_cast<int64_t>(gguf.integer("llama.context_length"));
  if (shape.context_length < 1) gguf.fail("llama.context_length", "llama.context_length is below 1");
  shape.rope_theta = positive(gguf, "llama.rope.freq_base", shape.rope_theta);
  constexpr const char* epsilon = "llama.attention.layer_norm_rms_epsilon";
  shape.norm_epsilon = positive(gguf, epsilon, gguf.number(epsilon));  // not to be guessed
  shape.tied_embedding = !gguf.has_tensor("output.weight");
  shape.vocabulary = vocabulary_of(gguf);
  check_heads(gguf, shape);
  check_tensors(gguf, shape);
  return shape;
}

}  // namespace apportion
