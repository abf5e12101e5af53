// A pretended GPU for tests: LibTorch's device type PrivateUse1, whose memory is the host's and can be
// touched only inside an operator, and whose operators are the CPU's. Host code that reads a tensor of the
// device dies there with a segmentation fault, an operator that is given tensors of both places throws, and
// what a real device would be asked to do is counted. It has no streams of its own: what is queued is done at
// once. The form is that of PyTorch's test backend "openreg"
// (test/cpp_extensions/open_registration_extension).
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <map>
#include <string>

namespace apportion::testing {

/// What the device was asked to do since reset_device_calls(), by all threads.
struct DeviceCalls {
  /// Operators that compute or move something; one that LibTorch runs as several kernels counts as one.
  int64_t launches = 0;
  /// Times that the host had to wait for the device: copies to the host, copies from memory of the host that
  /// is not pinned or that are not queued (both wait in LibTorch's CUDA form), operators whose result's size
  /// depends on values, single values read, and synchronize().
  int64_t waits = 0;
  /// Copies from the host to the device.
  int64_t to_device = 0;
  /// Launches by operator, and waits by what was waited for.
  std::map<std::string, int64_t> launched, waited;
};

/// Registers the device at the first call.
c10::Device pretend_gpu();

DeviceCalls device_calls();
void reset_device_calls();

/// Counts that the host waits for all work of the device.
void wait_for_pretend_gpu();

}  // namespace apportion::testing
