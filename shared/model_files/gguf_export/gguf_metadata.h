// Metadata of a GGUF file to be written. gguf.h reads it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace apportion {

/// Keys, each with its type and value, one after another as in the file. Each key may be given once.
class GgufMetadata {
 public:
  GgufMetadata& text(const std::string& key, std::string_view value);
  GgufMetadata& natural(const std::string& key, uint32_t value);
  GgufMetadata& number(const std::string& key, double value);  // float32 in the file
  GgufMetadata& boolean(const std::string& key, bool value);
  GgufMetadata& texts(const std::string& key, std::span<const std::string> values);
  GgufMetadata& integers(const std::string& key, std::span<const int32_t> values);
  GgufMetadata& numbers(const std::string& key, std::span<const double> values);  // float32 in the file
  /// Type and value as another file has them (GgufEntry::bytes).
  GgufMetadata& entry(const std::string& key, std::string_view bytes);
  GgufMetadata& add(const GgufMetadata& more);

  uint64_t keys() const { return keys_; }
  const std::string& bytes() const { return bytes_; }

 private:
  uint64_t keys_ = 0;
  std::string bytes_;
};

/// Appends a number as it lies in the file, or a text after its length.
template <typename Number>
void append_number(std::string& bytes, Number number) {
  bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
}
void append_text(std::string& bytes, std::string_view text);

}  // namespace apportion
