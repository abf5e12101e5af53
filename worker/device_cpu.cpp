// The CPU as the device of a rank. The CUDA form is device_cuda.cpp; a program holds one of the two.
#include <ATen/Parallel.h>

#include <algorithm>
#include <string>

#include "shared/base/memory_limits.h"
#include "worker/device.h"

namespace apportion {
namespace {

/// Whether matrix products take bfloat16 faster than float32: the CPU has AVX-512 bf16 or AMX.
bool multiplies_bfloat16() {
  return __builtin_cpu_supports("avx512bf16") || __builtin_cpu_supports("amx-bf16");
}

}  // namespace

at::Device compute_device(int /*local_rank*/) { return at::Device(at::kCPU); }

at::ScalarType resolve_compute_type(ComputeType type) {
  if (type == ComputeType::automatic) return multiplies_bfloat16() ? at::kBFloat16 : at::kFloat;
  return type == ComputeType::bfloat16 ? at::kBFloat16 : at::kFloat;
}

void synchronize(const at::Device& /*device*/) {}  // CPU calls return when they are done

double free_memory(const at::Device& /*device*/, int local_ranks) {
  return std::min(available_memory(local_ranks), memory_below_limits());
}

std::string device_name(const at::Device& /*device*/) {
  int threads = at::get_num_threads();
  return "CPU, " + std::to_string(threads) + (threads == 1 ? " thread" : " threads");
}

}  // namespace apportion
