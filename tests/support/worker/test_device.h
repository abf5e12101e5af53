// The device on which tests of the worker compute.
#pragma once

#include <ATen/core/Tensor.h>

#include "worker/device.h"

namespace apportion {

/// That of the form of the worker that is linked: the CPU, or the pretended GPU (tests/support/pretend_gpu).
inline at::Device test_device() { return compute_device(0); }

}  // namespace apportion
