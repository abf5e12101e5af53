// A model's weights as Torch tensors, from files of any form (model_files/tensor_reader.h). Any rows of any
// tensor can be had alone, so a rank makes or reads only its own. The model decides about their types,
// devices and shards.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "shared/model_files/tensor_reader.h"

namespace apportion {

class WeightSource {
 public:
  explicit WeightSource(std::unique_ptr<TensorReader> tensors) : tensors_(std::move(tensors)) {}

  /// Rows [first, last) of the tensor `name` (architecture/block.h), float32 [last - first, columns] on the
  /// host; for a vector (norms) the elements [first, last). Throws as TensorReader::read_rows does.
  /// Thread-safe.
  at::Tensor rows(const std::string& name, int64_t first, int64_t last) const;

  /// The same rows of a matrix packed in `type` (Q8_0 or Q4_1), uint8 [last - first, bytes of a row]:
  /// unchanged if the file has them in this type, else made from rows() by quantize(). Any split gives the
  /// same bytes. The number of columns must be a multiple of 32.
  at::Tensor packed_rows(const std::string& name, int64_t first, int64_t last, TensorType type) const;

  /// All rows of the tensor.
  at::Tensor whole(const std::string& name) const { return rows(name, 0, sizes(name).front()); }
  /// Sizes of the tensor `name`, outermost first.
  const std::vector<int64_t>& sizes(const std::string& name) const { return tensors_->sizes(name); }

 private:
  std::unique_ptr<TensorReader> tensors_;
};

}  // namespace apportion
