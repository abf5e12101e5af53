// safetensors files (github.com/huggingface/safetensors): a length, a JSON header, raw little-endian data.
// Only float32 tensors: adapters and trained weights are stored in it, and nothing else is read here yet.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/file_system.h"

namespace apportion {

/// A float32 tensor in row-major order.
struct FloatTensor {
  std::vector<int64_t> shape;
  std::vector<float> values;
};

/// Where a tensor's values lie in a file's data, which begin behind the header.
struct FloatPlace {
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;  // bytes
};

/// All that stands before the data of a file with these tensors.
std::string encode_safetensors_header(const std::map<std::string, FloatPlace>& tensors,
                                      const std::map<std::string, std::string>& metadata);

/// The bytes of a file with these tensors (in the order of their names) and `metadata`; a function of both
/// alone.
std::string encode_safetensors(const std::map<std::string, FloatTensor>& tensors,
                               const std::map<std::string, std::string>& metadata);

/// An untrusted file, mapped: its header is checked, values are read when they are asked for.
class SafetensorsFile {
 public:
  /// Throws UserError for a file that cannot be read, DataError with the byte offset for anything that does
  /// not fit.
  explicit SafetensorsFile(const std::string& path);

  const std::string& path() const { return file_.path(); }
  const std::map<std::string, FloatPlace>& tensors() const { return tensors_; }
  /// The bytes of a place.
  std::string_view bytes(const FloatPlace& place) const {
    return data_.substr(place.begin, place.end - place.begin);
  }

 private:
  MappedFile file_;
  std::string_view data_;
  std::map<std::string, FloatPlace> tensors_;
};

/// All tensors of an untrusted file. Throws as SafetensorsFile.
std::map<std::string, FloatTensor> read_safetensors(const std::string& path);

}  // namespace apportion
