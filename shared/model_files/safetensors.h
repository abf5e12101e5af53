// safetensors files (github.com/huggingface/safetensors): a length, a JSON header, raw little-endian data.
// Reads F32, F16 and BF16; writes F32 (adapters, trained weights).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/file_system.h"
#include "shared/model_files/quantization.h"

namespace apportion {

/// A float32 tensor in row-major order.
struct FloatTensor {
  std::vector<int64_t> shape;
  std::vector<float> values;
};

/// Where a tensor's values lie in a file's data, which begin after the header.
struct TensorPlace {
  TensorType type = TensorType::f32;  // f32, f16 or bf16
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;  // bytes
};

/// Everything before the data of a file with these tensors, in float32.
std::string encode_safetensors_header(const std::map<std::string, TensorPlace>& tensors,
                                      const std::map<std::string, std::string>& metadata);

/// The bytes of a file with these tensors (in the order of their names) and `metadata`; depends only on
/// these.
std::string encode_safetensors(const std::map<std::string, FloatTensor>& tensors,
                               const std::map<std::string, std::string>& metadata);

/// An untrusted file, mapped: its header is checked, values are read on request.
class SafetensorsFile {
 public:
  /// Throws UserError for a file that cannot be read, DataError with the byte offset for anything that does
  /// not fit.
  explicit SafetensorsFile(const std::string& path);

  const std::string& path() const { return file_.path(); }
  const std::map<std::string, TensorPlace>& tensors() const { return tensors_; }
  /// The bytes of a place.
  std::string_view bytes(const TensorPlace& place) const {
    return data_.substr(place.begin, place.end - place.begin);
  }
  /// Its offset in the file.
  uint64_t offset(const TensorPlace& place) const {
    return file_.bytes().size() - data_.size() + place.begin;
  }

 private:
  MappedFile file_;
  std::string_view data_;
  std::map<std::string, TensorPlace> tensors_;
};

/// All tensors of an untrusted file, as float32. Throws what SafetensorsFile does.
std::map<std::string, FloatTensor> read_safetensors(const std::string& path);

}  // namespace apportion
