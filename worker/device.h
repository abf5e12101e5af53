// Only what differs between a CPU and a GPU: where tensors live, which compute type is fast, how to wait for
// the device. device_cpu.cpp or device_cuda.cpp is linked, never both.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "shared/config/run_config.h"

namespace apportion {

/// The device that this rank computes on; local_rank picks among several GPUs.
at::Device compute_device(int local_rank);

/// The 16 bytes that tell a GPU from all others; empty for a CPU, which ranks share.
std::string device_uuid(const at::Device& device);

/// `automatic` resolved: bfloat16 where the device multiplies it fast, else float32.
at::ScalarType resolve_compute_type(ComputeType type);

/// Waits until all work queued on the device is done; for timing and before host reads.
void synchronize(const at::Device& device);

/// Bytes that this rank could still take, as far as the system tells. On a CPU, its part among `local_ranks`
/// of the machine's or container's free memory, or what is left of its own limit if that is less. On a GPU,
/// all memory that is free, or that LibTorch keeps without a tensor in it.
double free_memory(const at::Device& device, int local_ranks);

/// Hands back all memory that no tensor holds: the host's to the system, the device's to its driver. Call it
/// between tasks, whose sizes differ.
void release_device_memory(const at::Device& device);

/// Most bytes on the device since reset_memory_peak(): requested by tensors alive at one time, and taken in
/// all by this process (on a GPU: by all processes). 0 where the system does not say.
struct MemoryPeak {
  double tensors = 0, taken = 0;
};
MemoryPeak memory_peak(const at::Device& device);

/// Restarts the count of the peak from what is there now.
void reset_memory_peak(const at::Device& device);

/// "CPU, 2 threads" or the GPU's name; for people.
std::string device_name(const at::Device& device);

}  // namespace apportion
