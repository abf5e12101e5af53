// The weights that a cell has trained, tensor by tensor: all its own, or its model's with the adapter merged
// in, W + B A alpha / r where there is one.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "worker/merged/trained_cell.h"
#include "worker/models/weight_source.h"

namespace apportion {

class MergedWeights {
 public:
  /// `trained` must outlive this.
  explicit MergedWeights(const TrainedCell& trained);

  /// The tensor `name` (architecture/block.h), float32.
  at::Tensor whole(const std::string& name) const;

 private:
  double scale_ = 0;
  WeightSource weights_;
  std::map<std::string, Adapter::Entry> entries_;  // by the tensor's name
};

}  // namespace apportion
