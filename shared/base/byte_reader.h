// Reads little-endian values from untrusted bytes; every length is checked before it is used.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "shared/base/error.h"

namespace apportion {

/// A cursor over `bytes` (not owned). `path` names the source in errors.
class ByteReader {
 public:
  ByteReader(std::string_view bytes, std::string path) : bytes_(bytes), path_(std::move(path)) {}

  uint64_t offset() const { return offset_; }
  uint64_t remaining() const { return bytes_.size() - offset_; }

  /// Throws DataError at the current offset.
  [[noreturn]] void fail(const std::string& message) const { throw DataError(path_, offset_, message); }

  /// The next `size` bytes. Throws a DataError that says what they should have been (`what`).
  std::string_view read_bytes(uint64_t size, const char* what) {
    if (size > remaining()) {
      fail("the file ends inside " + std::string(what) + " (" + std::to_string(size) + " bytes wanted, " +
           std::to_string(remaining()) + " left)");
    }
    std::string_view taken = bytes_.substr(offset_, size);
    offset_ += size;
    return taken;
  }

  template <typename Value>
  Value read(const char* what) {
    static_assert(std::is_trivially_copyable_v<Value>);
    Value value;
    std::memcpy(&value, read_bytes(sizeof(Value), what).data(), sizeof(Value));
    return value;
  }

  /// A string preceded by its 64-bit length.
  std::string_view read_string(const char* what) { return read_bytes(read<uint64_t>(what), what); }

 private:
  std::string_view bytes_;
  std::string path_;
  uint64_t offset_ = 0;
};

}  // namespace apportion
