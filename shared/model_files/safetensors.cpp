#include "shared/model_files/safetensors.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "shared/base/byte_reader.h"
#include "shared/base/file_system.h"

namespace apportion {
namespace {

constexpr uint64_t header_prefix = 8;

FloatPlace parse_place(const std::string& path, const std::string& name, const nlohmann::json& entry,
                       std::string_view data) {
  auto fail = [&](const std::string& what) {
    throw DataError(path, header_prefix, "tensor '" + name + "': " + what);
  };
  if (!entry.is_object() || entry.value("dtype", "") != "F32")
    fail("dtype is not F32, the only one supported");
  const nlohmann::json shape = entry.value("shape", nlohmann::json()),
                       range = entry.value("data_offsets", nlohmann::json());
  FloatPlace place;
  uint64_t elements = 1;
  if (!shape.is_array()) fail("shape is not a list");
  for (const auto& size : shape) {
    if (!size.is_number_unsigned()) fail("shape has an entry that is not a natural number");
    const auto value = size.get<uint64_t>();
    if (value != 0 && elements > data.size() / value) fail("shape is larger than the file");
    elements *= value;
    place.shape.push_back(static_cast<int64_t>(value));
  }
  if (!range.is_array() || range.size() != 2 || !range[0].is_number_unsigned() ||
      !range[1].is_number_unsigned()) {
    fail("data_offsets are not two natural numbers");
  }
  place.begin = range[0].get<uint64_t>();
  place.end = range[1].get<uint64_t>();
  if (place.begin > place.end || place.end > data.size())
    fail("data_offsets lie outside the file's " + std::to_string(data.size()) + " data bytes");
  if (place.end - place.begin != elements * sizeof(float))
    fail("data_offsets do not span the shape's " + std::to_string(elements) + " values");
  return place;
}

}  // namespace

std::string encode_safetensors_header(const std::map<std::string, FloatPlace>& tensors,
                                      const std::map<std::string, std::string>& metadata) {
  nlohmann::json header = nlohmann::json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  for (const auto& [name, place] : tensors) {
    header[name] = {{"dtype", "F32"}, {"shape", place.shape}, {"data_offsets", {place.begin, place.end}}};
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the data start at a multiple of 8
  const uint64_t size = text.size();
  return std::string(reinterpret_cast<const char*>(&size), sizeof size) + text;
}

std::string encode_safetensors(const std::map<std::string, FloatTensor>& tensors,
                               const std::map<std::string, std::string>& metadata) {
  std::map<std::string, FloatPlace> places;
  uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const uint64_t end = offset + tensor.values.size() * sizeof(float);
    places[name] = {tensor.shape, offset, end};
    offset = end;
  }
  std::string bytes = encode_safetensors_header(places, metadata);
  for (const auto& [name, tensor] : tensors) {
    bytes.append(reinterpret_cast<const char*>(tensor.values.data()), tensor.values.size() * sizeof(float));
  }
  return bytes;
}

SafetensorsFile::SafetensorsFile(const std::string& path) : file_(path) {
  ByteReader reader(file_.bytes(), path);
  const auto size = reader.read<uint64_t>("the header's length");
  std::string_view text = reader.read_bytes(size, "the header");
  nlohmann::json header = nlohmann::json::parse(text, nullptr, false);
  if (!header.is_object()) throw DataError(path, header_prefix, "the header is not a JSON object");
  data_ = reader.read_bytes(reader.remaining(), "the data");
  for (const auto& [name, entry] : header.items()) {
    if (name != "__metadata__") tensors_.emplace(name, parse_place(path, name, entry, data_));
  }
}

std::map<std::string, FloatTensor> read_safetensors(const std::string& path) {
  const SafetensorsFile file(path);
  std::map<std::string, FloatTensor> tensors;
  for (const auto& [name, place] : file.tensors()) {
    FloatTensor& tensor = tensors[name];
    const std::string_view bytes = file.bytes(place);
    tensor.shape = place.shape;
    tensor.values.resize(bytes.size() / sizeof(float));
    if (!bytes.empty()) std::memcpy(tensor.values.data(), bytes.data(), bytes.size());
  }
  return tensors;
}

}  // namespace apportion
