// The matrix-multiply peak of this process, the yardstick of "share of peak".
#pragma once

#include <ATen/core/Tensor.h>

namespace apportion {

/// FLOP/s of the fastest of a few square and tall products in `type` at the current threads, measured for
/// about a third of a second.
double measure_peak(at::ScalarType type, at::Device device);

}  // namespace apportion
