// A GPU as the device of a rank. The CPU form is device_cpu.cpp; a program holds one of the two.
// Tests check that this file compiles and links; they have no GPU to run it on.
#include <ATen/Context.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <cuda_runtime_api.h>

#include <utility>

#include "worker/device.h"
#include "worker/device_memory.h"
#include "worker/gpu/device_map.h"
#include "worker/kernels/precision.h"

namespace apportion {
namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

/// The device's free and total memory, in bytes.
std::pair<double, double> memory_of(const at::Device& device) {
  c10::cuda::CUDAGuard guard(device);
  size_t free = 0, total = 0;
  C10_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  return {static_cast<double>(free), static_cast<double>(total)};
}

/// A statistic of LibTorch's allocator, over all of its pools.
double bytes_of(const c10::CachingAllocator::StatArray& stat, int64_t c10::CachingAllocator::Stat::*value) {
  return static_cast<double>(stat[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)].*value);
}

}  // namespace

at::Device compute_device(int local_rank) {
  const auto index = static_cast<c10::DeviceIndex>(gpu_index(local_rank, c10::cuda::device_count()));
  c10::cuda::set_device(index);
  at::globalContext().lazyInitDevice(at::kCUDA);  // from here on its allocator can be asked
  pin_precision();
  return {at::kCUDA, index};
}

std::string device_uuid(const at::Device& device) {
  cudaDeviceProp properties;
  C10_CUDA_CHECK(cudaGetDeviceProperties(&properties, device.index()));
  return {properties.uuid.bytes, sizeof(properties.uuid.bytes)};
}

at::ScalarType resolve_compute_type(ComputeType type) {
  return type == ComputeType::float32 ? at::kFloat : at::kBFloat16;
}

void synchronize(const at::Device& device) {
  c10::cuda::CUDAGuard guard(device);
  c10::cuda::device_synchronize();
}

double free_memory(const at::Device& device, int /*local_ranks*/) {
  const auto stats = allocator::getDeviceStats(device.index());
  using Stat = c10::CachingAllocator::Stat;
  const double kept =
      bytes_of(stats.reserved_bytes, &Stat::current) - bytes_of(stats.active_bytes, &Stat::current);
  return memory_of(device).first + kept;
}

void release_device_memory(const at::Device& /*device*/) {
  release_unused_memory();
  allocator::emptyCache();
}

MemoryPeak memory_peak(const at::Device& device) {
  const auto stats = allocator::getDeviceStats(device.index());
  const auto [free, total] = memory_of(device);
  return {bytes_of(stats.requested_bytes, &c10::CachingAllocator::Stat::peak), total - free};
}

/// What this counts as taken is what LibTorch's allocator keeps, which is most of it.
void reset_memory_peak(const at::Device& device) { allocator::resetPeakStats(device.index()); }

std::string device_name(const at::Device& device) {
  cudaDeviceProp properties;
  C10_CUDA_CHECK(cudaGetDeviceProperties(&properties, device.index()));
  return properties.name;
}

}  // namespace apportion
