// Result files that are whole, so that their seal is valid, with arbitrary content: an HDF5 file is made from
// a JSON description, {"attributes": {OBJECT: {NAME: TEXT or NUMBER}}, "datasets": {PATH: [TYPE, SHAPE,
// VALUES]}}, and read by each of the result readers. Damaged bytes are not tried on the HDF5 library: it
// crashes on them, and the seal (store/seal.h) exists to keep them away from it.
#include <nlohmann/json.hpp>

#include "shared/store/hdf5_file.h"
#include "shared/store/task_file.h"
#include "tests/fuzz/input.h"

namespace apportion {
namespace {

using Json = nlohmann::ordered_json;

template <typename Value>
Value value_of(const Json& json) {
  if constexpr (std::is_same_v<Value, std::string>) {
    return json.is_string() ? json.get<std::string>() : "";
  } else {
    // A number that the type cannot hold is not a value of any file.
    const double number = json.is_number() ? json.get<double>() : std::numeric_limits<double>::quiet_NaN();
    if constexpr (std::is_floating_point_v<Value>) return number;
    return number >= -2e9 && number <= 2e9 ? static_cast<Value>(static_cast<int64_t>(number)) : Value{};
  }
}

/// As many values as the shape says; if there are too few, the last one is repeated.
template <typename Value>
void write_dataset(Hdf5Writer& writer, const std::string& path, const std::vector<uint64_t>& shape,
                   const Json& values) {
  Hdf5Array<Value> array{shape, {}};
  size_t count = 1;
  for (const uint64_t size : shape) count *= size;
  if (!values.is_array()) return;
  for (size_t i = 0; i < count; ++i)
    array.values.push_back(i < values.size() ? value_of<Value>(values[i])
                                             : (array.values.empty() ? Value{} : array.values.back()));
  writer.dataset(path, array);
}

void write_dataset(Hdf5Writer& writer, const std::string& path, const Json& parts) {
  if (path.size() < 2 || path[0] != '/' || !parts.is_array() || parts.size() != 3 || !parts[1].is_array())
    return;
  std::vector<uint64_t> shape;
  for (const Json& size : parts[1]) shape.push_back(static_cast<uint64_t>(value_of<int32_t>(size)) % 50);
  if (shape.empty() || shape.size() > 3) return;
  const std::string type = value_of<std::string>(parts[0]);
  if (type == "text") write_dataset<std::string>(writer, path, shape, parts[2]);
  if (type == "float64") write_dataset<double>(writer, path, shape, parts[2]);
  if (type == "int32") write_dataset<int32_t>(writer, path, shape, parts[2]);
  if (type == "uint64") write_dataset<uint64_t>(writer, path, shape, parts[2]);
  if (type == "uint8") write_dataset<uint8_t>(writer, path, shape, parts[2]);
}

void write_described(const std::string& path, const Json& file) {
  Hdf5Writer writer(path);
  for (const auto& [object, attributes] : file.at("attributes").items()) {
    if (object.empty() || object[0] != '/' || !attributes.is_object()) continue;
    writer.group(object);
    for (const auto& [name, value] : attributes.items()) {
      if (value.is_number()) {
        writer.attribute(object, name, static_cast<int64_t>(value_of<int32_t>(value)));
      } else {
        writer.attribute(object, name, value_of<std::string>(value));
      }
    }
  }
  for (const auto& [name, parts] : file.at("datasets").items()) write_dataset(writer, name, parts);
  writer.commit();
}

}  // namespace
}  // namespace apportion

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace apportion;
  const std::string path = fuzz::folder() + "/result.h5";
  const Json file = Json::parse(fuzz::text_of(data, size), nullptr, false);
  if (!file.is_object()) return 0;
  for (const char* part : {"attributes", "datasets"}) {
    if (!file.contains(part) || !file.at(part).is_object()) return 0;
  }
  bool written = false;
  fuzz::read_or_refuse([&] {
    write_described(path, file);
    written = true;
  });
  if (!written) return 0;
  Task task;
  fuzz::read_or_refuse([&] { task = read_task_record(path).task; });
  fuzz::read_or_refuse([&] { metrics_of(read_measure_file(path)); });
  fuzz::read_or_refuse([&] { metrics_of(read_measure_figures(path)); });
  fuzz::read_or_refuse([&] { read_train_file(path); });
  fuzz::read_or_refuse([&] { read_scale_file(path); });
  fuzz::read_or_refuse([&] { read_retention_file(path); });
  fuzz::read_or_refuse([&] { read_retention_figures(path); });
  return 0;
}
