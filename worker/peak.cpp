#include "worker/peak.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "shared/base/clock.h"
#include "worker/device.h"

namespace apportion {

double measure_peak(at::ScalarType type, at::Device device) {
  constexpr int64_t shapes[][3] = {{1024, 1024, 1024}, {768, 576, 1536}, {768, 1536, 576}};
  constexpr double seconds_per_shape = 0.1;
  auto options = at::TensorOptions().dtype(type).device(device);
  double best = 0;
  for (const auto& [m, k, n] : shapes) {
    at::Tensor a = at::ones({m, k}, options), b = at::ones({n, k}, options);
    at::linear(a, b);
    synchronize(device);
    const double begin = seconds_now();
    for (double now = begin; now - begin < seconds_per_shape;) {
      const double started = now;
      at::linear(a, b);
      synchronize(device);
      now = seconds_now();
      best = std::max(best, 2.0 * static_cast<double>(m * k * n) / (now - started));
    }
  }
  return best;
}

}  // namespace apportion
