#include "shared/model_files/gguf_export/gguf_metadata.h"

namespace apportion {
namespace {

/// GGUF's numbers for the types of values.
constexpr uint32_t uint32_type = 4, int32_type = 5, float32_type = 6, boolean_type = 7, text_type = 8,
                   array_type = 9;

template <typename Number>
std::string number_entry(uint32_t type, Number value) {
  std::string bytes;
  append_number(bytes, type);
  append_number(bytes, value);
  return bytes;
}

std::string array_head(uint32_t type, uint64_t elements) {
  std::string bytes = number_entry(array_type, type);
  append_number(bytes, elements);
  return bytes;
}

}  // namespace

void append_text(std::string& bytes, std::string_view text) {
  append_number(bytes, uint64_t{text.size()});
  bytes += text;
}

GgufMetadata& GgufMetadata::entry(const std::string& key, std::string_view bytes) {
  append_text(bytes_, key);
  bytes_ += bytes;
  ++keys_;
  return *this;
}

GgufMetadata& GgufMetadata::text(const std::string& key, std::string_view value) {
  std::string bytes;
  append_number(bytes, text_type);
  append_text(bytes, value);
  return entry(key, bytes);
}

GgufMetadata& GgufMetadata::natural(const std::string& key, uint32_t value) {
  return entry(key, number_entry(uint32_type, value));
}

GgufMetadata& GgufMetadata::number(const std::string& key, double value) {
  return entry(key, number_entry(float32_type, static_cast<float>(value)));
}

GgufMetadata& GgufMetadata::boolean(const std::string& key, bool value) {
  return entry(key, number_entry(boolean_type, static_cast<uint8_t>(value ? 1 : 0)));
}

GgufMetadata& GgufMetadata::texts(const std::string& key, std::span<const std::string> values) {
  std::string bytes = array_head(text_type, values.size());
  for (const std::string& value : values) append_text(bytes, value);
  return entry(key, bytes);
}

GgufMetadata& GgufMetadata::integers(const std::string& key, std::span<const int32_t> values) {
  std::string bytes = array_head(int32_type, values.size());
  for (const int32_t value : values) append_number(bytes, value);
  return entry(key, bytes);
}

GgufMetadata& GgufMetadata::numbers(const std::string& key, std::span<const double> values) {
  std::string bytes = array_head(float32_type, values.size());
  for (const double value : values) append_number(bytes, static_cast<float>(value));
  return entry(key, bytes);
}

GgufMetadata& GgufMetadata::add(const GgufMetadata& more) {
  keys_ += more.keys_;
  bytes_ += more.bytes_;
  return *this;
}

}  // namespace apportion
