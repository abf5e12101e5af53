// The CPU as the device of a rank. The CUDA form is device_cuda.cpp; a program holds one of the two.
#include <ATen/Parallel.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

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

double free_memory(const at::Device& /*device*/) {
  constexpr double kilobyte = 1024;
  double available =
      static_cast<double>(sysconf(_SC_AVPHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  std::ifstream meminfo("/proc/meminfo");
  std::string key;
  for (double value = 0; meminfo >> key >> value;
       meminfo.ignore(std::numeric_limits<std::streamsize>::max(), '\n')) {
    if (key == "MemAvailable:") available = value * kilobyte;
  }
  rlimit limit = {};
  if (getrlimit(RLIMIT_DATA, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    available = std::min(available, static_cast<double>(limit.rlim_cur));
  }
  return available;
}

std::string device_name(const at::Device& /*device*/) {
  int threads = at::get_num_threads();
  return "CPU, " + std::to_string(threads) + (threads == 1 ? " thread" : " threads");
}

}  // namespace apportion
