// The tensors of a folder as transformers writes it: in one file, or in several with an index.
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "shared/architecture/block.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/model_files/finite.h"
#include "shared/model_files/folder/json_node.h"
#include "shared/model_files/safetensors.h"
#include "shared/model_files/tensor_reader.h"

namespace apportion {
namespace {

/// The file of each tensor.
std::map<std::string, std::string> read_index(const std::string& path) {
  const nlohmann::json map = parse_object(path, read_file(path)).value("weight_map", nlohmann::json());
  if (!map.is_object()) throw DataError(path, 0, "the file has no object weight_map");
  std::map<std::string, std::string> files;
  for (const auto& [tensor, file] : map.items()) {
    const std::string name = file.is_string() ? file.get<std::string>() : "";
    if (name.empty() || name.find('/') != std::string::npos)
      throw DataError(path, 0, "weight_map: tensor '" + tensor + "' does not name a file next to this one");
    files[tensor] = name;
  }
  return files;
}

/// Tensors that older versions saved next to the model's own, and that are computed here or not used: the
/// rotation's frequencies, and a head that repeats the embedding.
bool is_ignored(const std::string& name, const ModelShape& shape) {
  return name.ends_with(".rotary_emb.inv_freq") || (shape.tied_embedding && name == head_name);
}

class FolderTensors : public TensorReader {
 public:
  FolderTensors(const std::string& directory, const ModelShape& shape) : TensorReader(shape) {
    const std::string index = directory + "/model.safetensors.index.json";
    if (is_regular_file(directory + "/model.safetensors") || !is_regular_file(index)) {
      open(directory + "/model.safetensors", shape);
    } else {
      open_listed(directory, index, shape);
    }
    for (const auto& [name, sizes] : tensors_of(shape)) check(directory, name, sizes);
  }

  void read_rows(const std::string& name, int64_t first, int64_t last, float* out) const override {
    const std::vector<int64_t>& wanted = checked_sizes(name, first, last);
    if (first == last) return;
    const uint64_t columns = wanted.size() > 1 ? static_cast<uint64_t>(wanted[1]) : 1;
    const auto& [file, place] = places_.at(name);
    const uint64_t row_bytes = columns * block_layout(place->type).bytes;
    const std::string_view bytes = file->bytes(*place).substr(
        static_cast<uint64_t>(first) * row_bytes, static_cast<uint64_t>(last - first) * row_bytes);
    if (const auto element = first_not_finite(place->type, bytes)) {
      const uint64_t row = static_cast<uint64_t>(first) + *element / columns;
      throw DataError(file->path(), file->offset(*place) + row * row_bytes,
                      "tensor '" + name + "' has a NaN or an infinity in row " + std::to_string(row));
    }
    dequantize(place->type, bytes, static_cast<uint64_t>(last - first) * columns, out);
    release_pages(bytes);
  }

  std::optional<TensorType> stored_type(const std::string& name) const override {
    return places_.at(name).place->type;
  }

 private:
  /// Opens the files of an index, which must be true: whoever changed a folder by hand may not know which
  /// file counts.
  void open_listed(const std::string& directory, const std::string& index, const ModelShape& shape) {
    std::map<std::string, std::vector<std::string>> of_file;
    for (const auto& [tensor, name] : read_index(index)) of_file[name].push_back(tensor);
    for (const auto& [name, tensors] : of_file) {
      const std::string path = directory + "/" + name;
      auto fail = [&](const std::string& tensor, const char* why) {
        throw DataError(index, 0, "weight_map: tensor '" + tensor + "' is not in " + path + why);
      };
      if (!is_regular_file(path)) fail(tensors.front(), ": there is no such file");
      open(path, shape);
      for (const std::string& tensor : tensors) {
        if (has(tensor) && !is_ignored(tensor, shape) && !files_.back()->tensors().contains(tensor))
          fail(tensor, "");
      }
    }
  }

  void open(const std::string& path, const ModelShape& shape) {
    const SafetensorsFile* file = files_.emplace_back(std::make_unique<SafetensorsFile>(path)).get();
    for (const auto& [name, place] : file->tensors()) {
      if (is_ignored(name, shape)) continue;
      if (!has(name))
        throw DataError(path, file->offset(place), "tensor '" + name + "' does not belong to this model");
      if (!places_.emplace(name, Place{file, &place}).second)
        throw DataError(path, file->offset(place), "tensor '" + name + "' is in two files");
    }
  }

  void check(const std::string& directory, const std::string& name, const std::vector<int64_t>& sizes) const {
    const auto found = places_.find(name);
    if (found == places_.end()) {
      const bool one = files_.size() == 1;
      throw DataError(one ? files_[0]->path() : directory, 0, "tensor '" + name + "' is missing");
    }
    const auto& [file, place] = found->second;
    if (place->shape != sizes) {
      throw DataError(file->path(), file->offset(*place),
                      "tensor '" + name + "' has shape " + nlohmann::json(place->shape).dump() + "; " +
                          nlohmann::json(sizes).dump() + " is expected by config.json");
    }
  }

  struct Place {
    const SafetensorsFile* file;
    const TensorPlace* place;
  };
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::map<std::string, Place> places_;
};

}  // namespace

std::unique_ptr<TensorReader> folder_tensors(const std::string& directory, const ModelShape& shape) {
  return std::make_unique<FolderTensors>(directory, shape);
}

}  // namespace apportion
