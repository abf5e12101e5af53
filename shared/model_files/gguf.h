// GGUF v3 files (github.com/ggml-org/ggml/blob/master/docs/gguf.md): metadata and tensors of an untrusted,
// memory-mapped file. Values of tensors are unpacked by quantization.h; names of a model are models'
// business.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
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
  std::string_view bytes;  // lives as long as the Gguf
  uint64_t offset = 0;     // of the tensor's description in the file, for messages
  uint64_t elements() const;
};

/// A metadata value: integers widen to int64 or uint64, floats to double; arrays hold values of one kind.
using GgufValue = std::variant<int64_t, uint64_t, double, bool, std::string, std::vector<std::string>,
                               std::vector<int64_t>, std::vector<double>>;

/// A metadata value and the byte offset of its key, for messages.
struct GgufEntry {
  GgufValue value;
  uint64_t offset;
};

class Gguf {
 public:
  /// Parses the whole header; throws DataError with the byte offset for anything out of bounds,
  /// duplicated, overlapping or unknown. Throws UserError when the file cannot be opened.
  explicit Gguf(const std::string& path);

  const std::string& path() const { return file_.path(); }
  bool has(const std::string& key) const { return metadata_.count(key) != 0; }

  /// Throws DataError at the key's byte offset (at the head of the metadata when there is no such key).
  [[noreturn]] void fail(const std::string& key, const std::string& message) const;

  /// Typed metadata; throws DataError naming the key when it is absent or of another kind.
  const std::string& text(const std::string& key) const;
  uint64_t integer(const std::string& key) const;
  double number(const std::string& key) const;
  const std::vector<std::string>& texts(const std::string& key) const;
  const std::vector<int64_t>& integers(const std::string& key) const;
  const std::vector<double>& numbers(const std::string& key) const;

  /// The tensor called `name`; throws DataError when the file has none.
  const GgufTensor& tensor(const std::string& name) const;
  bool has_tensor(const std::string& name) const { return tensors_.count(name) != 0; }
  const std::map<std::string, GgufTensor>& tensors() const { return tensors_; }

  /// SHA-256 of the file.
  std::string digest() const;

 private:
  template <typename Kind>
  const Kind& value(const std::string& key, const char* kind) const;

  MappedFile file_;
  std::map<std::string, GgufEntry> metadata_;
  std::map<std::string, GgufTensor> tensors_;
};

}  // namespace apportion
