// The pretended GPU as the device of a rank, for tests; the counterpart of device_cpu.cpp and
// device_cuda.cpp.
#include "shared/base/memory_limits.h"
#include "tests/support/pretend_gpu/device_pages.h"
#include "tests/support/pretend_gpu/pretend_gpu.h"
#include "worker/device.h"
#include "worker/device_memory.h"

namespace apportion {

at::Device compute_device(int /*local_rank*/) { return testing::pretend_gpu(); }

std::string device_uuid(const at::Device& /*device*/) { return ""; }

at::ScalarType resolve_compute_type(ComputeType type) {
  return type == ComputeType::float32 ? at::kFloat : at::kBFloat16;
}

void synchronize(const at::Device& /*device*/) { testing::wait_for_pretend_gpu(); }

double free_memory(const at::Device& /*device*/, int local_ranks) { return available_memory(local_ranks); }

void release_device_memory(const at::Device& /*device*/) { release_unused_memory(); }

MemoryPeak memory_peak(const at::Device& /*device*/) {
  const auto bytes = static_cast<double>(testing::device_bytes_peak());
  return {bytes, bytes};
}

void reset_memory_peak(const at::Device& /*device*/) { testing::reset_device_bytes_peak(); }

std::string device_name(const at::Device& /*device*/) { return "pretended GPU"; }

}  // namespace apportion
