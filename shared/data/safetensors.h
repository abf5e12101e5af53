// safetensors files (github.com/huggingface/safetensors): a length, a JSON header, raw little-endian data.
// Only float32 tensors: adapters are stored in it, and nothing else is read here yet.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace apportion {

/// A float32 tensor in row-major order.
struct FloatTensor {
  std::vector<int64_t> shape;
  std::vector<float> values;
};

/// The bytes of a file with these tensors (in the order of their names) and `metadata`; a function of both
/// alone.
std::string encode_safetensors(const std::map<std::string, FloatTensor>& tensors,
                               const std::map<std::string, std::string>& metadata);

/// Parses an untrusted file. Throws DataError with the byte offset for anything that does not fit.
std::map<std::string, FloatTensor> read_safetensors(const std::string& path);

}  // namespace apportion
