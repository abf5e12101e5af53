#include "worker/merged/merged_model.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <map>
#include <vector>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/model_files/gguf_export/gguf_shape_keys.h"
#include "worker/merged/merged_weights.h"
#include "worker/merged/trained_cell.h"
#include "worker/models/weights_file.h"

namespace apportion {
namespace {

/// A type of a GGUF file's matrices, and ggml's number for files mostly of that type.
struct FileType {
  const char* name;
  TensorType type;
  uint32_t number;
};
constexpr FileType file_types[] = {
    {"f32", TensorType::f32, 0}, {"f16", TensorType::f16, 1}, {"q8_0", TensorType::q8_0, 7}};

FileType file_type(const std::string& name) {
  for (const FileType& known : file_types) {
    if (name == known.name) return known;
  }
  throw InternalError("no GGUF file is written in " + name);
}

using Told = std::function<void(size_t done, size_t all)>;

/// Calls add(values) with each of the model's merged tensors, in the order of the file.
template <typename Add>
void add_merged(const TrainedCell& trained, const Told& told, const Add& add) {
  const MergedWeights weights(trained);
  const std::vector<std::string> names = WeightsWriter::order(trained.files->shape());
  for (size_t i = 0; i < names.size(); ++i) {
    told(i, names.size());
    add(weights.whole(names[i]));
  }
}

/// Writes the folder and returns what to report about it after its name.
std::string write_folder(const std::string& to, const TrainedCell& trained, const Told& told) {
  const ModelShape& shape = trained.files->shape();
  std::map<std::string, std::string> companions = trained.files->companions();
  WeightsWriter writer(to, shape, companions["config.json"]);
  add_merged(trained, told, [&](const at::Tensor& values) { writer.add(values); });
  writer.finish();
  companions.erase("config.json");
  for (const auto& [name, bytes] : companions) write_file(to + "/" + name, bytes);
  return companions.count("tokenizer.json") == 0 ? ", without a tokenizer" : "";
}

std::string write_gguf(const std::string& to, const TrainedCell& trained, const FileType& wanted,
                       const Told& told) {
  const ModelShape& shape = trained.files->shape();
  GgufMetadata metadata = shape_keys(shape);
  metadata.text("general.type", "model")
      .natural("general.file_type", wanted.number)
      .natural("general.quantization_version", 2)
      .add(trained.files->gguf_companions());
  std::vector<PlannedTensor> planned;
  if (has_divisors_tensor(shape)) planned.push_back(divisors_tensor(shape));
  size_t others = 0;
  for (const std::string& name : WeightsWriter::order(shape)) {
    planned.push_back(planned_tensor(shape, name, wanted.type));
    if (planned.back().sizes.size() > 1 && planned.back().type != wanted.type) ++others;
  }
  GgufFileWriter writer(to, metadata, std::move(planned));
  if (has_divisors_tensor(shape))
    writer.add(std::vector<float>(shape.rope_divisors.begin(), shape.rope_divisors.end()));
  add_merged(trained, told, [&](const at::Tensor& merged) {
    at::Tensor values = merged.contiguous();
    if (shape.unit_offset && values.dim() == 1) values.add_(1);  // the factor norms apply (gguf_tensors.cpp)
    writer.add({values.const_data_ptr<float>(), static_cast<size_t>(values.numel())});
  });
  writer.finish();
  if (others == 0) return "";
  return ", " + std::to_string(others) + " matrices in F16, because their rows are not whole blocks of " +
         type_name(wanted.type);
}

}  // namespace

std::string export_merged(const std::string& directory, const std::string& cell, const ExportRequest& request,
                          const Told& told) {
  const at::NoGradGuard no_gradient;
  const std::string& to = request.merged;
  const bool is_file = !request.gguf.empty();
  if (path_exists(to))
    throw UserError(to + " exists; name a " + (is_file ? "file" : "folder") + " that does not exist yet");
  const TrainedCell trained = open_trained_cell(directory, cell, request);
  const std::string more =
      is_file ? write_gguf(to, trained, file_type(request.gguf), told) : write_folder(to, trained, told);
  const std::string what = trained.adapter ? " with the adapter of " : " with the weights of ";
  return to + " is " + trained.model + what + trained.path + more + "\n";
}

}  // namespace apportion
