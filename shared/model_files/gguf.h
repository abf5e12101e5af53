// A model in GGUF: one file, or the parts into which llama.cpp's tools split one (NAME-00001-of-00003.gguf),
// the first of which has the metadata. gguf_file.h reads a single file.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "shared/model_files/gguf_file.h"

namespace apportion {

class Gguf {
 public:
  /// Opens the file and, if it is a part (split.count), all parts, which must lie next to it. Throws what
  /// GgufFile does, and DataError that names a part that is missing or does not fit the others.
  explicit Gguf(const std::string& path);

  /// The file with the metadata: of several parts the first, whichever was given.
  const std::string& path() const { return files_.front().path(); }
  /// All files, in the order of the parts.
  const std::vector<GgufFile>& files() const { return files_; }
  const std::map<std::string, GgufEntry>& metadata() const { return files_.front().metadata; }
  bool has(const std::string& key) const { return files_.front().metadata.count(key) != 0; }

  /// The byte offset of the key; the head of the metadata when there is no such key.
  uint64_t offset(const std::string& key) const { return files_.front().offset(key); }
  /// Throws DataError at offset(key).
  [[noreturn]] void fail(const std::string& key, const std::string& message) const;

  /// Typed metadata; throws DataError naming the key when it is missing or of another kind.
  const std::string& text(const std::string& key) const { return value<std::string>(key); }
  uint64_t integer(const std::string& key) const { return files_.front().integer(key); }
  double number(const std::string& key) const { return value<double>(key); }
  bool boolean(const std::string& key) const { return value<bool>(key); }
  const std::vector<std::string>& texts(const std::string& key) const {
    return value<std::vector<std::string>>(key);
  }
  const std::vector<int64_t>& integers(const std::string& key) const {
    return value<std::vector<int64_t>>(key);
  }
  const std::vector<double>& numbers(const std::string& key) const { return value<std::vector<double>>(key); }

  /// The tensor called `name`; throws DataError when no file has it.
  const GgufTensor& tensor(const std::string& name) const;
  bool has_tensor(const std::string& name) const { return tensors().count(name) != 0; }
  /// The tensors of all files.
  const std::map<std::string, GgufTensor>& tensors() const { return files_.front().tensors; }

  /// SHA-256 of the file; for parts one over all of them, whichever was given.
  std::string digest() const;

 private:
  template <typename Kind>
  const Kind& value(const std::string& key) const {
    return files_.front().value<Kind>(key);
  }

  std::vector<GgufFile> files_;  // the first has the tensors of all
};

}  // namespace apportion
