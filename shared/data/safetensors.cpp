#include "shared/data/safetensors.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "shared/base/byte_reader.h"
#include "shared/base/file_system.h"

namespace apportion {
namespace {

constexpr uint64_t header_prefix = 8;

FloatTensor parse_tensor(const std::string& path, const std::string& name, const nlohmann::json& entry,
                         std::string_view data) {
  auto fail = [&](const std::string& what) {
    throw DataError(path, header_prefix, "tensor '" + name + "': " + what);
  };
  if (!entry.is_object() || entry.value("dtype", "") != "F32")
    fail("dtype is not F32, the only one supported");
  const nlohmann::json shape = entry.value("shape", nlohmann::json()),
                       range = entry.value("data_offsets", nlohmann::json());
  FloatTensor tensor;
  uint64_t elements = 1;
  if (!shape.is_array()) fail("shape is not a list");
  for (const auto& size : shape) {
    if (!size.is_number_unsigned()) fail("shape has an entry that is not a natural number");
    const auto value = size.get<uint64_t>();
    if (value != 0 && elements > data.size() / value) fail("shape is larger than the file");
    elements *= value;
    tensor.shape.push_back(static_cast<int64_t>(value));
  }
  if (!range.is_array() || range.size() != 2 || !range[0].is_number_unsigned() ||
      !range[1].is_number_unsigned()) {
    fail("data_offsets are not two natural numbers");
  }
  const auto begin = range[0].get<uint64_t>(), end = range[1].get<uint64_t>();
  if (begin > end || end > data.size())
    fail("data_offsets lie outside the file's " + std::to_string(data.size()) + " data bytes");
  if (end - begin != elements * sizeof(float))
    fail("data_offsets do not span the shape's " + std::to_string(elements) + " values");
  tensor.values.resize(elements);
  if (elements > 0) std::memcpy(tensor.values.data(), data.data() + begin, end - begin);
  return tensor;
}

}  // namespace

std::string encode_safetensors(const std::map<std::string, FloatTensor>& tensors,
                               const std::map<std::string, std::string>& metadata) {
  nlohmann::json header = nlohmann::json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const uint64_t end = offset + tensor.values.size() * sizeof(float);
    header[name] = {{"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the data start at a multiple of 8
  const uint64_t size = text.size();
  std::string bytes(reinterpret_cast<const char*>(&size), sizeof size);
  bytes += text;
  for (const auto& [name, tensor] : tensors) {
    bytes.append(reinterpret_cast<const char*>(tensor.values.data()), tensor.values.size() * sizeof(float));
  }
  return bytes;
}

std::map<std::string, FloatTensor> read_safetensors(const std::string& path) {
  MappedFile file(path);
  ByteReader reader(file.bytes(), path);
  const auto size = reader.read<uint64_t>("the header's length");
  std::string_view text = reader.read_bytes(size, "the header");
  nlohmann::json header = nlohmann::json::parse(text, nullptr, false);
  if (!header.is_object()) throw DataError(path, header_prefix, "the header is not a JSON object");
  std::string_view data = reader.read_bytes(reader.remaining(), "the data");
  std::map<std::string, FloatTensor> tensors;
  for (const auto& [name, entry] : header.items()) {
    if (name != "__metadata__") tensors.emplace(name, parse_tensor(path, name, entry, data));
  }
  return tensors;
}

}  // namespace apportion
