// All weights of a model on disk as transformers reads them: config.json and model.safetensors, float32,
// under Hugging Face's names. Adapters: adapter_file.h. Trained weights come from train/.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "shared/architecture/shape.h"

namespace apportion {

/// Writes a folder tensor by tensor, so only one has to be in memory.
class WeightsWriter {
 public:
  /// Begins model.safetensors under a temporary name. Throws UserError with the system's reason, as do all
  /// functions below.
  /// `config`: the text of config.json; empty: made from the shape.
  WeightsWriter(const std::string& directory, const ModelShape& shape, const std::string& config = "");
  /// Removes an unfinished file.
  ~WeightsWriter();
  WeightsWriter(const WeightsWriter&) = delete;
  WeightsWriter& operator=(const WeightsWriter&) = delete;

  /// The tensors in the order of the file: the linear layers block by block, embedding, head, norms.
  static std::vector<std::string> order(const ModelShape& shape);

  /// Adds the next values in that order, row by row.
  void add(const at::Tensor& values);

  /// Syncs and renames the file, then writes config.json. Returns the SHA-256 of model.safetensors. Throws
  /// InternalError when values are missing.
  std::string finish();

 private:
  struct File;
  std::unique_ptr<File> file_;
};

}  // namespace apportion
