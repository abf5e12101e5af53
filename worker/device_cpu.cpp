// The CPU as the device of a rank. The CUDA form is device_cuda.cpp; a program holds one of the two.
#include <ATen/Parallel.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "shared/base/memory_limits.h"
#include "worker/device.h"
#include "worker/device_memory.h"

namespace apportion {
namespace {

/// Whether matrix products take bfloat16 faster than float32: the CPU has AVX-512 bf16 or AMX.
bool multiplies_bfloat16() {
  return __builtin_cpu_supports("avx512bf16") || __builtin_cpu_supports("amx-bf16");
}

/// Bytes; 0 where the system does not say.
double process_peak() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    double kibibytes = 0;
    if (word == "VmHWM:" && status >> kibibytes) return 1024 * kibibytes;
  }
  return 0;
}

}  // namespace

at::Device compute_device(int /*local_rank*/) { return at::Device(at::kCPU); }

std::string device_uuid(const at::Device& /*device*/) { return ""; }

at::ScalarType resolve_compute_type(ComputeType type) {
  if (type == ComputeType::automatic) return multiplies_bfloat16() ? at::kBFloat16 : at::kFloat;
  return type == ComputeType::bfloat16 ? at::kBFloat16 : at::kFloat;
}

void synchronize(const at::Device& /*device*/) {}  // CPU calls return when they are done

double free_memory(const at::Device& /*device*/, int local_ranks) {
  return std::min(available_memory(local_ranks), memory_below_limits());
}

void release_device_memory(const at::Device& /*device*/) { release_unused_memory(); }

MemoryPeak memory_peak(const at::Device& /*device*/) {
  return {static_cast<double>(tensor_memory().asked_peak), process_peak()};
}

/// Also resets the process's high-water mark of resident memory (Linux, proc(5)). Where that is not allowed
/// the mark covers the whole life of the process, which is an upper bound.
void reset_memory_peak(const at::Device& /*device*/) {
  std::ofstream("/proc/self/clear_refs") << "5";
  reset_tensor_memory_peak();
}

std::string device_name(const at::Device& /*device*/) {
  int threads = at::get_num_threads();
  return "CPU, " + std::to_string(threads) + (threads == 1 ? " thread" : " threads");
}

}  // namespace apportion
