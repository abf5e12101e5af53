// The device that the worker's tests compute on.
#pragma once

#include <ATen/core/Tensor.h>

#include "worker/device.h"

namespace apportion {

/// The device of the linked form of the worker: the CPU, or the pretended GPU (tests/support/pretend_gpu).
inline at::Device test_device() { return compute_device(0); }

}  // namespace apportion
