// Small valid GGUF files for tests: a llama model with random weights and a byte-level tokenizer with ChatML.
// The writer that makes them can also write files that lie.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shared/model_files/quantization.h"

namespace apportion {

/// Assembles a GGUF v3 file, key by key and tensor by tensor, without any checks.
class GgufWriter {
 public:
  GgufWriter& text(std::string_view key, std::string_view value);
  GgufWriter& unsigned_integer(std::string_view key, uint32_t value);
  GgufWriter& number(std::string_view key, float value);
  GgufWriter& texts(std::string_view key, const std::vector<std::string>& values);
  GgufWriter& integers(std::string_view key, const std::vector<int32_t>& values);
  /// Appends a key with the type and bytes of its value exactly as given.
  GgufWriter& raw(std::string_view key, uint32_t type, std::string_view bytes);

  /// Sets the alignment of tensor data, 32 by default. Call it before the first tensor.
  GgufWriter& alignment(uint32_t bytes);

  /// `shape` is outermost first, as in GgufTensor; the data follows that of earlier tensors, aligned.
  GgufWriter& tensor(std::string_view name, TensorType type, const std::vector<uint64_t>& shape,
                     std::string_view bytes);
  /// A tensor with any offset and type number; its data is not appended.
  GgufWriter& lying_tensor(std::string_view name, uint32_t type, const std::vector<uint64_t>& shape,
                           uint64_t offset);

  std::string bytes() const;

 private:
  uint64_t alignment_ = 32;
  uint64_t keys_ = 0;
  uint64_t tensors_ = 0;
  std::string metadata_;
  std::string descriptions_;
  std::string data_;
};

/// What tiny_gguf writes. Widths must be multiples of a quantized type's block.
struct TinyModel {
  uint32_t layers = 2;
  uint32_t width = 64;
  uint32_t heads = 4;
  uint32_t kv_heads = 2;
  uint32_t ffn_width = 96;
  uint32_t context_length = 256;
  float rope_theta = 10000;
  float norm_epsilon = 1e-5F;
  TensorType linear_type = TensorType::f32;     // of the linear layers
  TensorType embedding_type = TensorType::f32;  // of token_embd and output; norms are F32
  bool tied_embedding = true;
  float scale = 0.1F;  // standard deviation of the weights
  uint64_t seed = 1;
};

/// The whole file. Weights come from CounterRng(seed, tensor's name), so equal descriptions give equal bytes.
/// The tokenizer has special tokens, all 256 bytes (each digit one token) and merges for a few English words.
std::string tiny_gguf(const TinyModel& model);

/// The same tensors split into `count` files as llama.cpp's tools do; the first has the metadata.
std::vector<std::string> tiny_gguf_parts(const TinyModel& model, uint32_t count);

/// Writes a file without waiting for the disk, for tests with many files.
void write_bytes(const std::string& path, std::string_view bytes);

/// Writes the tiny model to a file.
void write_tiny_gguf(const std::string& path, const TinyModel& model);

/// Random weights packed as `type`; `count` must be a multiple of the type's block.
std::string random_weights(TensorType type, uint64_t count, float scale, uint64_t seed,
                           std::string_view purpose);

/// The IEEE half of a number that is a normal half or becomes zero; the mantissa is truncated, not rounded.
uint16_t half_bits(float value);

}  // namespace apportion
