// Where a model's weights come from: a GGUF file, or the counter-based generator for shapes without a file.
// Both give any rows of any tensor alone, so a rank makes or reads only its own. What becomes of the rows
// (types, devices, shards) is the model's business.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "shared/model/shape.h"
#include "shared/model_files/gguf.h"

namespace apportion {

class WeightSource {
 public:
  virtual ~WeightSource() = default;

  /// Rows [first, last) of the tensor that GGUF files call `name`, float32 [last - first, columns] on the
  /// host, in Hugging Face's row order; of a vector (norms) the elements [first, last). Any split of a tensor
  /// gives the same values. Thread-safe. Throws DataError when a file's tensor has another shape than the
  /// model, InternalError for rows that are not there.
  virtual at::Tensor rows(const std::string& name, int64_t first, int64_t last) const = 0;

  /// The same rows of a matrix packed in `type` (Q8_0 or Q4_1), uint8 [last - first, bytes of a row]: as they
  /// are where the file has them in this type, else of rows() by quantize(). Any split gives the same bytes.
  /// The columns are a multiple of 32.
  virtual at::Tensor packed_rows(const std::string& name, int64_t first, int64_t last, TensorType type) const;

  /// All rows of the tensor.
  at::Tensor whole(const std::string& name) const { return rows(name, 0, sizes(name).front()); }
  /// Sizes of the tensor `name`, outermost first.
  const std::vector<int64_t>& sizes(const std::string& name) const;

 protected:
  explicit WeightSource(const ModelShape& shape);

 private:
  std::map<std::string, std::vector<int64_t>> sizes_;
};

/// The tensors of a file, of which only the asked rows' bytes are read. `gguf` must outlive the source.
std::unique_ptr<WeightSource> gguf_weights(const Gguf& gguf, const ModelShape& shape);

/// Weights as of a model at its initialisation: matrices uniform with the standard deviation 1 / sqrt(inputs)
/// (the embedding's inputs are its width), norms 1. A function of tensor name, row and column alone.
std::unique_ptr<WeightSource> synthetic_weights(const ModelShape& shape);

}  // namespace apportion
