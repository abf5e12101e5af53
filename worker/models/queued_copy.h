// Copies from the host to a GPU that nothing waits for: the values are put into pinned memory first, and the
// copy is queued behind what the device has to do. On a CPU there is nothing to copy.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace apportion {

/// Each tensor of host memory becomes its copy on `device`, all of them in one transfer; undefined ones and
/// those that are there already stay as they are. They share one piece of memory afterwards.
void move_together(const std::vector<at::Tensor*>& tensors, at::Device device);

/// One tensor's copy on `device`.
at::Tensor queued_copy(at::Tensor tensor, at::Device device);

}  // namespace apportion
