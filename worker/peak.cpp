#include "worker/peak.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "shared/base/clock.h"
#include "worker/device.h"

namespace apportion {
namespace {

double bytes_of(const PeakProduct& product, at::ScalarType type) {
  const int64_t values = product.m * product.k + product.n * product.k + 2 * product.m * product.n;
  return static_cast<double>(values) * static_cast<double>(c10::elementSize(type));
}

}  // namespace

std::vector<PeakProduct> peak_products(at::DeviceType device) {
  if (device == at::kCPU) return {{1024, 1024, 1024}, {768, 576, 1536}, {768, 1536, 576}};
  return {{8192, 8192, 8192, 16}, {4096, 4096, 14336, 16}, {2048, 4096, 4096, 64}};
}

double best_rate(const std::vector<PeakProduct>& products, at::ScalarType type, at::Device device) {
  constexpr double seconds_per_shape = 0.1;
  auto options = at::TensorOptions().dtype(type).device(device);
  double best = 0;
  for (const auto& [m, k, n, at_once] : products) {
    at::Tensor a = at::ones({m, k}, options), b = at::ones({n, k}, options);
    at::linear(a, b);
    synchronize(device);
    const double begin = seconds_now();
    for (double now = begin; now - begin < seconds_per_shape;) {
      const double started = now;
      for (int product = 0; product < at_once; ++product) at::linear(a, b);
      synchronize(device);
      now = seconds_now();
      best = std::max(best, 2.0 * static_cast<double>(at_once * m * k * n) / (now - started));
    }
  }
  return best;
}

double measure_peak(at::ScalarType type, at::Device device) {
  std::vector<PeakProduct> products = peak_products(device.is_cuda() ? at::kCUDA : at::kCPU);
  if (!device.is_cuda()) return best_rate(products, type, device);
  constexpr double most_of_free = 0.8;
  const double free = most_of_free * free_memory(device, 1);
  std::erase_if(products, [&](const PeakProduct& product) { return bytes_of(product, type) > free; });
  if (products.empty()) products = peak_products(at::kCPU);
  return best_rate(products, type, device);
}

}  // namespace apportion
