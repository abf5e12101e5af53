// Copies from the host to a GPU that nothing waits for: values go into pinned memory first, and the copy is
// queued behind the device's other work. On a CPU there is nothing to copy.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace apportion {

/// Replaces each tensor in host memory by its copy on `device`, all in one transfer. Undefined tensors and
/// those already there stay as they are. The copies share one piece of memory.
void move_together(const std::vector<at::Tensor*>& tensors, at::Device device);

/// One tensor's copy on `device`.
at::Tensor queued_copy(at::Tensor tensor, at::Device device);

}  // namespace apportion
