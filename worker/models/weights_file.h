// All weights of a model on disk as transformers reads them: config.json and model.safetensors, float32, in
// Hugging Face's names. Adapters are adapter_file.h's; where trained weights come from is train/'s business.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "shared/model/shape.h"
#include "worker/models/weight_source.h"

namespace apportion {

/// Hugging Face's name of the tensor that GGUF files call `name`.
std::string hugging_face_name(const std::string& name);

/// Writes a folder tensor by tensor, so that no more than one has to be in memory.
class WeightsWriter {
 public:
  /// Begins model.safetensors under a temporary name. Throws UserError with the system's reason, as all
  /// that follows.
  WeightsWriter(const std::string& directory, const ModelShape& shape);
  ~WeightsWriter();
  WeightsWriter(const WeightsWriter&) = delete;
  WeightsWriter& operator=(const WeightsWriter&) = delete;

  /// GGUF's names of the tensors as they lie in the file: the linear layers block by block, embedding, head,
  /// norms.
  static std::vector<std::string> order(const ModelShape& shape);

  /// The next values in that order, row by row.
  void add(const at::Tensor& values);

  /// Syncs and renames the file, then writes config.json. Returns the SHA-256 of model.safetensors. Throws
  /// InternalError when values are missing.
  std::string finish();

 private:
  struct File;
  std::unique_ptr<File> file_;
};

/// The weights of a folder that WeightsWriter (or transformers, in float32 and one file) wrote. Throws
/// UserError or DataError naming the file, and the tensor that is absent or of another shape.
std::unique_ptr<WeightSource> saved_weights(const std::string& directory, const ModelShape& shape);

}  // namespace apportion
