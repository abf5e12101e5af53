// A pretended GPU for tests: LibTorch's device type PrivateUse1 with the CPU's operators, in host memory that
// can be touched only inside an operator. Host code that reads a tensor of the device dies with a
// segmentation fault, an operator given tensors of both places throws, and everything that a real device
// would be asked to do is counted. It has no streams: queued work is done at once. It follows PyTorch's test
// backend "openreg" (test/cpp_extensions/open_registration_extension).
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <map>
#include <string>

namespace apportion::testing {

/// What all threads have asked the device to do since reset_device_calls().
struct DeviceCalls {
  /// Operators that compute or move something; one that LibTorch runs as several kernels counts once.
  int64_t launches = 0;
  /// How often the host had to wait for the device: copies to the host, copies from unpinned host memory or
  /// without queueing (both wait in LibTorch's CUDA form), operators whose result's size depends on values,
  /// reads of single values, and synchronize().
  int64_t waits = 0;
  /// Copies from the host to the device.
  int64_t to_device = 0;
  /// Launches by operator, and waits by what was waited for.
  std::map<std::string, int64_t> launched, waited;
};

/// The device, registered by the first call.
c10::Device pretend_gpu();

DeviceCalls device_calls();
void reset_device_calls();

/// Counts one wait of the host for all work of the device.
void wait_for_pretend_gpu();

}  // namespace apportion::testing
