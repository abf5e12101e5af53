// Keys and values of tokens already computed, one slot per node of an answer tree, all layers.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <limits>
#include <vector>

#include "shared/architecture/shape.h"

namespace apportion {

class KvCache {
 public:
  KvCache(const ModelShape& shape, at::ScalarType type, at::Device device);

  /// Stores k and v ([rows, G, D], the first `count` rows) of `layer` at slots [first, first + count).
  void write(int64_t layer, int64_t first, int64_t count, const at::Tensor& k, const at::Tensor& v);
  /// Views [slots, G, D].
  at::Tensor keys(int64_t layer, int64_t slots) const;
  at::Tensor values(int64_t layer, int64_t slots) const;
  /// Makes room for `slots` in all layers and keeps stored ones. Room doubles, but beyond `most` slots it
  /// grows only as far as needed.
  void reserve(int64_t slots, int64_t most = std::numeric_limits<int64_t>::max());
  int64_t capacity() const { return capacity_; }
  /// Bytes of one slot over all layers.
  static double slot_bytes(const ModelShape& shape, at::ScalarType type);

 private:
  int64_t capacity_ = 0;
  std::vector<at::Tensor> keys_, values_;  // [capacity, G, D] per layer
};

}  // namespace apportion
