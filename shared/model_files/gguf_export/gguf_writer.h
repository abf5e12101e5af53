// Writes a GGUF v3 file tensor by tensor, so that no more than one has to be in memory. What stands in its
// metadata and which tensors it has is the caller's business.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "shared/model_files/gguf_export/gguf_metadata.h"
#include "shared/model_files/quantization.h"

namespace apportion {

/// A tensor of the file that is to be written.
struct PlannedTensor {
  std::string name;
  TensorType type = TensorType::f32;
  std::vector<int64_t> sizes;  // outermost first: one or two
  int64_t head_dim = 0;        // where the file has paired rows (gguf_names.h), of a head; else 0
};

class GgufFileWriter {
 public:
  /// Begins the file under a temporary name. Throws UserError with the system's reason, as all that follows;
  /// also for a disk that has no room for all of it.
  GgufFileWriter(const std::string& path, const GgufMetadata& metadata, std::vector<PlannedTensor> tensors);
  /// An unfinished file is removed.
  ~GgufFileWriter();
  GgufFileWriter(const GgufFileWriter&) = delete;
  GgufFileWriter& operator=(const GgufFileWriter&) = delete;

  /// The values of the next tensor, row by row in our order. Throws UserError where the type cannot hold one
  /// of them.
  void add(std::span<const float> values);

  /// Syncs and renames the file. Throws InternalError when tensors are missing.
  void finish();

 private:
  struct File;
  std::unique_ptr<File> file_;
};

}  // namespace apportion
