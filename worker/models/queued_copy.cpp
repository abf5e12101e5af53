#include "worker/models/queued_copy.h"

#include <ATen/ATen.h>

#include <cstring>

namespace apportion {
namespace {

constexpr int64_t alignment = 64;  // bytes, so any type may begin there

int64_t aligned(int64_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

}  // namespace

void move_together(const std::vector<at::Tensor*>& tensors, at::Device device) {
  std::vector<at::Tensor*> moving;
  int64_t bytes = 0;
  for (at::Tensor* tensor : tensors) {
    if (device.is_cpu() || !tensor->defined() || !tensor->is_cpu()) continue;
    moving.push_back(tensor);
    bytes += aligned(static_cast<int64_t>(tensor->nbytes()));
  }
  if (moving.empty()) return;
  const at::Tensor host = at::empty({bytes}, at::TensorOptions().dtype(at::kByte).pinned_memory(true));
  auto* to = host.data_ptr<uint8_t>();
  for (const at::Tensor* tensor : moving) {
    const at::Tensor values = tensor->contiguous();
    if (values.nbytes() > 0) std::memcpy(to, values.const_data_ptr(), values.nbytes());
    to += aligned(static_cast<int64_t>(values.nbytes()));
  }
  const at::Tensor there = host.to(device, /*non_blocking=*/true);
  int64_t first = 0;
  for (at::Tensor* tensor : moving) {
    const auto count = static_cast<int64_t>(tensor->nbytes());
    *tensor = count > 0 ? there.narrow(0, first, count).view(tensor->scalar_type()).view(tensor->sizes())
                        : at::empty(tensor->sizes(), tensor->options().device(device));
    first += aligned(count);
  }
}

at::Tensor queued_copy(at::Tensor tensor, at::Device device) {
  move_together({&tensor}, device);
  return tensor;
}

}  // namespace apportion
