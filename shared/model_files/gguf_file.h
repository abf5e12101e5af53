// One file in GGUF v3 (github.com/ggml-org/ggml/blob/master/docs/gguf.md): metadata and tensors of an
// untrusted, memory-mapped file, a whole model or a part of one (gguf.h). quantization.h unpacks the tensors'
// values; models know their names.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "shared/base/file_system.h"
#include "shared/model_files/quantization.h"

namespace apportion {

/// A tensor of the file. `shape` is outermost first (rows, columns), the reverse of the file's order.
struct GgufTensor {
  std::string name;
  TensorType type;
  std::vector<uint64_t> shape;
  std::string_view bytes;  // lives as long as the GgufFile's mapping
  std::string path;        // of the file
  uint64_t offset = 0;     // of the tensor's description in the file, for messages
  uint64_t elements() const;
};

/// A metadata value: integers widen to int64 or uint64, floats to double; arrays hold values of one kind.
using GgufValue = std::variant<int64_t, uint64_t, double, bool, std::string, std::vector<std::string>,
                               std::vector<int64_t>, std::vector<double>>;

/// A metadata value and the byte offset of its key, for messages; also its type and value as bytes of the
/// file, which live as long as the mapping.
struct GgufEntry {
  GgufValue value;
  uint64_t offset;
  std::string_view bytes = {};
};

struct GgufFile {
  /// Parses the whole header. Throws DataError with the byte offset for anything out of bounds, duplicated,
  /// overlapping or unknown, and UserError when the file cannot be opened.
  explicit GgufFile(const std::string& path);

  const std::string& path() const { return file.path(); }
  /// The byte offset of the key; the head of the metadata when there is no such key.
  uint64_t offset(const std::string& key) const;
  /// Throws DataError at offset(key).
  [[noreturn]] void fail(const std::string& key, const std::string& message) const;
  /// Typed metadata, one of GgufValue's kinds; throws DataError naming the key when it is missing or of
  /// another kind. An integer of at least 0 counts as two of them.
  template <typename Kind>
  const Kind& value(const std::string& key) const;
  uint64_t integer(const std::string& key) const;

  MappedFile file;
  std::map<std::string, GgufEntry> metadata;
  std::map<std::string, GgufTensor> tensors;
  uint64_t alignment = 0;  // of the data
};

}  // namespace apportion
