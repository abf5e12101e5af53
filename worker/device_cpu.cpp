// The CPU as the device of a rank. The CUDA form is device_cuda.cpp; a program holds one of the two.
#include <ATen/Parallel.h>
#include <sys/resource.h>

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

/// The number behind `word` in a file of the system's; NaN when there is none.
double number_after(const char* file, const std::string& word) {
  std::ifstream in(file);
  for (std::string found; in >> found;) {
    if (double number = 0; found == word && in >> number) return number;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

double first_number(const char* file) {
  std::ifstream in(file);
  double number = 0;
  return in >> number ? number : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

at::Device compute_device(int /*local_rank*/) { return at::Device(at::kCPU); }

at::ScalarType resolve_compute_type(ComputeType type) {
  if (type == ComputeType::automatic) return multiplies_bfloat16() ? at::kBFloat16 : at::kFloat;
  return type == ComputeType::bfloat16 ? at::kBFloat16 : at::kFloat;
}

void synchronize(const at::Device& /*device*/) {}  // CPU calls return when they are done

double free_memory(const at::Device& /*device*/, int local_ranks) {
  constexpr double kilobyte = 1024;
  const double machine = kilobyte * number_after("/proc/meminfo", "MemAvailable:");
  const double group =
      first_number("/sys/fs/cgroup/memory.max") - first_number("/sys/fs/cgroup/memory.current");
  double available = std::numeric_limits<double>::infinity();
  for (double bytes : {machine / local_ranks, group / local_ranks}) {
    if (bytes >= 0) available = std::min(available, bytes);  // NaN: the system does not tell
  }
  rlimit limit = {};
  if (getrlimit(RLIMIT_DATA, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    const double used = kilobyte * number_after("/proc/self/status", "VmData:");
    available = std::min(available, std::max(0.0, static_cast<double>(limit.rlim_cur) - used));
  }
  return available;
}

std::string device_name(const at::Device& /*device*/) {
  int threads = at::get_num_threads();
  return "CPU, " + std::to_string(threads) + (threads == 1 ? " thread" : " threads");
}

}  // namespace apportion
