// Writes a GGUF v3 file tensor by tensor, so that no more than one has to be in memory. The caller chooses
// the metadata and the tensors.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "shared/model_files/gguf_export/gguf_metadata.h"
#include "shared/model_files/quantization.h"

namespace apportion {

/// A tensor of the file to be written.
struct PlannedTensor {
  std::string name;
  TensorType type = TensorType::f32;
  std::vector<int64_t> sizes;  // outermost first: one or two
  int64_t head_dim = 0;        // rows per head where the file pairs rows (gguf_names.h); else 0
};

class GgufFileWriter {
 public:
  /// Begins the file under a temporary name. Throws UserError with the system's reason, as all calls do; also
  /// when the disk has no room for all of it.
  GgufFileWriter(const std::string& path, const GgufMetadata& metadata, std::vector<PlannedTensor> tensors);
  /// Removes an unfinished file.
  ~GgufFileWriter();
  GgufFileWriter(const GgufFileWriter&) = delete;
  GgufFileWriter& operator=(const GgufFileWriter&) = delete;

  /// Writes the values of the next tensor, row by row in our order. Throws UserError when the type cannot
  /// hold one of them.
  void add(std::span<const float> values);

  /// Syncs and renames the file. Throws InternalError when tensors are missing.
  void finish();

 private:
  struct File;
  std::unique_ptr<File> file_;
};

}  // namespace apportion
