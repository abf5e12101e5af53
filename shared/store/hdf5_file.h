// The one door to the HDF5 C library: typed datasets, text attributes and links of a sealed file. task_file.h
// and index.h decide what a file contains; layout.h has the names.
//
// Only one thread at a time uses the library. Its own error printing is off: the deepest entry of its error
// stack becomes an exception's message.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shared/base/file_system.h"

namespace apportion {

/// A dataset's values in row-major order. `Value`: double, int32_t, uint64_t, uint8_t or std::string.
template <typename Value>
struct Hdf5Array {
  std::vector<uint64_t> shape;
  std::vector<Value> values;
};

/// A library identifier that is closed when it goes out of scope.
class Hdf5Handle {
 public:
  using Close = int (*)(int64_t);
  Hdf5Handle(int64_t id, Close closer) : id_(id), close_(closer) {}
  Hdf5Handle(Hdf5Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Hdf5Handle(const Hdf5Handle&) = delete;
  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~Hdf5Handle() { close(); }
  int64_t id() const { return id_; }
  /// Whether the library could close it.
  bool close() { return id_ < 0 || close_(std::exchange(id_, -1)) >= 0; }

 private:
  int64_t id_;
  Close close_;
};

class Hdf5Reader;

/// Writes a new file whose bytes depend only on the calls. commit() makes all of it appear under `path`;
/// without commit() nothing does. Throws UserError with the library's reason when the file cannot be written.
class Hdf5Writer {
 public:
  explicit Hdf5Writer(const std::string& path);
  ~Hdf5Writer();
  Hdf5Writer(const Hdf5Writer&) = delete;
  Hdf5Writer& operator=(const Hdf5Writer&) = delete;

  /// Absolute path; parents are created. Attributes keep the order in which they were written.
  void group(const std::string& path);
  void attribute(const std::string& group, const std::string& name, std::string_view text);
  void attribute(const std::string& group, const std::string& name, int64_t number);

  /// A chunked dataset with a fletcher32 checksum per chunk; only the seal protects texts, which are stored
  /// as storable_text().
  template <typename Value>
  void dataset(const std::string& path, const Hdf5Array<Value>& array);

  /// A dataset uint8 [bytes], also with checksums.
  void bytes(const std::string& path, std::string_view bytes);
  /// Copies all of another file, attributes included, into the new group `path`. Throws DataError for a link,
  /// which would lead elsewhere here, and for attributes of other types than these two.
  void copy(const Hdf5Reader& from, const std::string& path);

  void soft_link(const std::string& path, const std::string& target);
  void external_link(const std::string& path, const std::string& file, const std::string& object);

  /// Closes, seals and syncs the file, renames it to `path` and syncs the directory. If `confirm` throws,
  /// nothing of the file remains.
  void commit(const Confirm& confirm = {});

 private:
  [[noreturn]] void fail(const std::string& what) const;
  void copy(const Hdf5Reader& from, const std::string& object, const std::string& path);

  std::string path_, temporary_;
  Hdf5Handle file_;
};

/// Reads a whole file after checking it against its seal. Throws DataError for anything that is missing, of
/// another type, or larger than the file could hold; UserError when the file cannot be opened.
class Hdf5Reader {
 public:
  explicit Hdf5Reader(const std::string& path);

  const std::string& path() const { return path_; }
  /// Throws DataError for this file.
  [[noreturn]] void fail(const std::string& message) const;

  bool has_attribute(const std::string& group, const std::string& name) const;
  std::string text(const std::string& group, const std::string& name) const;
  int64_t integer(const std::string& group, const std::string& name) const;
  /// Names of an object's attributes in the order they were written.
  std::vector<std::string> attributes(const std::string& object) const;
  /// All text attributes of a group in the order they were written.
  std::vector<std::pair<std::string, std::string>> texts(const std::string& group) const;

  template <typename Value>
  Hdf5Array<Value> dataset(const std::string& path) const;

  /// Names of the links in a group, sorted.
  std::vector<std::string> links(const std::string& group) const;
  /// The target of a soft link, or nothing when `path` is a group.
  std::optional<std::string> soft_target(const std::string& path) const;

 private:
  friend class Hdf5Writer;

  // Checks that every component of `path` is an object of this very file.
  void require(const std::string& path) const;

  std::string path_;
  uint64_t file_size_ = 0;
  Hdf5Handle file_;
};

}  // namespace apportion
