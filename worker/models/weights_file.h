// All weights of a model on disk as transformers reads them: config.json and model.safetensors, float32, in
// Hugging Face's names. Adapters are adapter_file.h's; where trained weights come from is train/'s business.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "shared/architecture/shape.h"

namespace apportion {

/// Writes a folder tensor by tensor, so that no more than one has to be in memory.
class WeightsWriter {
 public:
  /// Begins model.safetensors under a temporary name. Throws UserError with the system's reason, as all
  /// that follows.
  /// `config`: what config.json has; empty: what the shape says.
  WeightsWriter(const std::string& directory, const ModelShape& shape, const std::string& config = "");
  /// An unfinished file is removed.
  ~WeightsWriter();
  WeightsWriter(const WeightsWriter&) = delete;
  WeightsWriter& operator=(const WeightsWriter&) = delete;

  /// The tensors as they lie in the file: the linear layers block by block, embedding, head,
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

}  // namespace apportion
