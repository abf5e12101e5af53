// The shape of a decoder-only transformer: what the coordinator must know of a model, without Torch.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "shared/model_files/gguf.h"

namespace apportion {

struct ModelShape {
  std::string architecture;  // "llama"
  int64_t layers = 0;
  int64_t width = 0;       // C, the residual stream
  int64_t heads = 0;       // H
  int64_t kv_heads = 0;    // G
  int64_t head_dim = 0;    // D
  int64_t ffn_width = 0;   // F
  int64_t vocabulary = 0;  // V
  int64_t context_length = 0;
  double rope_theta = 10000;
  double norm_epsilon = 1e-5;
  bool tied_embedding = false;

  /// Weights of the linear layers of all blocks: per token a forward pass costs twice as many FLOPs.
  int64_t block_parameters() const;
  /// All weights, a tied embedding counted once: what model cards state.
  int64_t parameters() const;
};

/// The sizes, outermost first, of every tensor that a llama model of this shape has, by its name in GGUF
/// files.
std::map<std::string, std::vector<uint64_t>> tensors_of(const ModelShape& shape);

/// From a GGUF file's metadata; throws DataError naming the key that is absent or makes no sense.
ModelShape shape_of(const Gguf& gguf);

}  // namespace apportion
