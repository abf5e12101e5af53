// The matrix-multiply peak of this process, the yardstick of "share of peak".
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace apportion {

/// [m, k] by [k, n], so many of them between two waits for the device.
struct PeakProduct {
  int64_t m, k, n;
  int at_once = 1;
};

/// What the peak is measured with. A GPU takes products that keep all of it busy for milliseconds, and many
/// before the host waits: of small ones with a wait after each, most of the time would be the waits.
std::vector<PeakProduct> peak_products(at::DeviceType device);

/// FLOP/s of the fastest of the products in `type` at the current threads; about a tenth of a second for
/// each.
double best_rate(const std::vector<PeakProduct>& products, at::ScalarType type, at::Device device);

/// best_rate of peak_products, smaller ones where the device has no room for them.
double measure_peak(at::ScalarType type, at::Device device);

}  // namespace apportion
