#include "shared/model_files/safetensors.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "shared/base/byte_reader.h"
#include "shared/base/file_system.h"
#include "shared/model_files/folder/json_node.h"

namespace apportion {
namespace {

constexpr uint64_t header_prefix = 8;

std::optional<TensorType> type_of(const nlohmann::json& dtype) {
  static const std::map<std::string, TensorType> types = {
      {"F32", TensorType::f32}, {"F16", TensorType::f16}, {"BF16", TensorType::bf16}};
  const auto found = dtype.is_string() ? types.find(dtype.get<std::string>()) : types.end();
  return found == types.end() ? std::nullopt : std::optional(found->second);
}

TensorPlace parse_place(const std::string& path, const std::string& name, const nlohmann::json& entry,
                        std::string_view data) {
  auto fail = [&](const std::string& what) {
    throw DataError(path, header_prefix, "tensor '" + name + "': " + what);
  };
  if (!entry.is_object()) fail("is not described by an object");
  const nlohmann::json dtype = entry.value("dtype", nlohmann::json());
  const std::optional<TensorType> type = type_of(dtype);
  if (!type) fail("dtype is " + dtype.dump() + "; F32, F16 and BF16 are supported");
  const nlohmann::json shape = entry.value("shape", nlohmann::json()),
                       range = entry.value("data_offsets", nlohmann::json());
  TensorPlace place;
  place.type = *type;
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
  if (place.end - place.begin != elements * block_layout(place.type).bytes)
    fail("data_offsets do not span the shape's " + std::to_string(elements) + " values");
  return place;
}

/// No two tensors may share a byte: a header of a few KB could otherwise ask for the file once per tensor.
void check_overlaps(const std::string& path, const std::map<std::string, TensorPlace>& tensors) {
  using Entry = std::pair<const std::string, TensorPlace>;
  std::vector<const Entry*> placed;
  for (const Entry& entry : tensors) {
    if (entry.second.begin < entry.second.end) placed.push_back(&entry);
  }
  std::sort(placed.begin(), placed.end(),
            [](const Entry* a, const Entry* b) { return a->second.begin < b->second.begin; });
  for (size_t i = 1; i < placed.size(); ++i) {
    if (placed[i]->second.begin < placed[i - 1]->second.end) {
      throw DataError(path, header_prefix,
                      "tensors '" + placed[i - 1]->first + "' and '" + placed[i]->first + "' overlap");
    }
  }
}

}  // namespace

std::string encode_safetensors_header(const std::map<std::string, TensorPlace>& tensors,
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
  std::map<std::string, TensorPlace> places;
  uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const uint64_t end = offset + tensor.values.size() * sizeof(float);
    places[name] = {TensorType::f32, tensor.shape, offset, end};
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
  const nlohmann::json header = parse_object(path, text, header_prefix);
  data_ = reader.read_bytes(reader.remaining(), "the data");
  for (const auto& [name, entry] : header.items()) {
    if (name != "__metadata__") tensors_.emplace(name, parse_place(path, name, entry, data_));
  }
  check_overlaps(path, tensors_);
}

std::map<std::string, FloatTensor> read_safetensors(const std::string& path) {
  const SafetensorsFile file(path);
  std::map<std::string, FloatTensor> tensors;
  for (const auto& [name, place] : file.tensors()) {
    FloatTensor& tensor = tensors[name];
    const std::string_view bytes = file.bytes(place);
    tensor.shape = place.shape;
    tensor.values.resize(bytes.size() / block_layout(place.type).bytes);
    dequantize(place.type, bytes, tensor.values.size(), tensor.values.data());
  }
  return tensors;
}

}  // namespace apportion
