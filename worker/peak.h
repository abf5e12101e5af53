// The matrix-multiply peak of this process, against which "share of peak" is measured.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace apportion {

/// [m, k] by [k, n], `at_once` times between two waits for the device.
struct PeakProduct {
  int64_t m, k, n;
  int at_once = 1;
};

/// The products that the peak is measured with. On a GPU each keeps the whole device busy for milliseconds,
/// and the host queues many before it waits: with small ones and a wait after each, waits would take most of
/// the time.
std::vector<PeakProduct> peak_products(at::DeviceType device);

/// FLOP/s of the fastest of the products in `type` with the current number of threads; takes about a tenth of
/// a second for each.
double best_rate(const std::vector<PeakProduct>& products, at::ScalarType type, at::Device device);

/// best_rate of peak_products, or of smaller ones if the device has no room for them.
double measure_peak(at::ScalarType type, at::Device device);

}  // namespace apportion
