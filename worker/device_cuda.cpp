// A GPU as the device of a rank. The CPU form is device_cpu.cpp; a program holds one of the two.
// The tests see that this file compiles and links; they have no GPU to run it on.
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <cuda_runtime_api.h>

#include "shared/base/error.h"
#include "worker/device.h"

namespace apportion {

at::Device compute_device(int local_rank) {
  int count = c10::cuda::device_count();
  if (count == 0)
    throw UserError("this program is built for CUDA and no GPU was found: use the one built for the CPU");
  if (local_rank >= count) {
    throw UserError("rank " + std::to_string(local_rank) +
                    " of this node has no GPU of its own, the node has " + std::to_string(count) +
                    ": start at most that many ranks a node");
  }
  c10::cuda::set_device(static_cast<c10::DeviceIndex>(local_rank));
  return {at::kCUDA, static_cast<c10::DeviceIndex>(local_rank)};
}

at::ScalarType resolve_compute_type(ComputeType type) {
  return type == ComputeType::float32 ? at::kFloat : at::kBFloat16;
}

void synchronize(const at::Device& device) {
  c10::cuda::CUDAGuard guard(device);
  c10::cuda::device_synchronize();
}

double free_memory(const at::Device& device, int /*local_ranks*/) {
  c10::cuda::CUDAGuard guard(device);
  size_t free = 0, total = 0;
  C10_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  return static_cast<double>(free);
}

std::string device_name(const at::Device& device) {
  cudaDeviceProp properties;
  C10_CUDA_CHECK(cudaGetDeviceProperties(&properties, device.index()));
  return properties.name;
}

}  // namespace apportion
