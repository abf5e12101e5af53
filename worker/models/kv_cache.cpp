#include "worker/models/kv_cache.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "shared/base/error.h"

namespace apportion {

KvCache::KvCache(const ModelShape& shape, at::ScalarType type, at::Device device) {
  auto options = at::TensorOptions().dtype(type).device(device);
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    keys_.push_back(at::empty({0, shape.kv_heads, shape.head_dim}, options));
    values_.push_back(at::empty({0, shape.kv_heads, shape.head_dim}, options));
  }
}

double KvCache::slot_bytes(const ModelShape& shape, at::ScalarType type) {
  return static_cast<double>(2 * shape.layers * shape.kv_heads * shape.head_dim) *
         static_cast<double>(c10::elementSize(type));
}

void KvCache::reserve(int64_t slots, int64_t most) {
  if (slots <= capacity_) return;
  const int64_t wanted = std::max(slots, std::min(2 * capacity_, most));
  for (auto* list : {&keys_, &values_}) {
    for (at::Tensor& tensor : *list) {
      // Unused slots must be zero: a masked key must not bring a NaN into 0 * value.
      at::Tensor larger = at::zeros({wanted, tensor.size(1), tensor.size(2)}, tensor.options());
      larger.narrow(0, 0, capacity_).copy_(tensor);
      tensor = larger;
    }
  }
  capacity_ = wanted;
}

void KvCache::write(int64_t layer, int64_t first, int64_t count, const at::Tensor& k, const at::Tensor& v) {
  ensure(first + count <= capacity_, "the cache has room for the rows written to it");
  keys_[static_cast<size_t>(layer)].narrow(0, first, count).copy_(k.narrow(0, 0, count));
  values_[static_cast<size_t>(layer)].narrow(0, first, count).copy_(v.narrow(0, 0, count));
}

at::Tensor KvCache::keys(int64_t layer, int64_t slots) const {
  return keys_[static_cast<size_t>(layer)].narrow(0, 0, slots);
}

at::Tensor KvCache::values(int64_t layer, int64_t slots) const {
  return values_[static_cast<size_t>(layer)].narrow(0, 0, slots);
}

}  // namespace apportion
