// The memory of the pretended GPU: one range of addresses that code may touch only while a DeviceAccess
// lives.
#pragma once

#include <c10/core/Allocator.h>

#include <cstddef>

namespace apportion::testing {

/// While one lives, every thread can read and write `bytes` of the device's memory starting at `data` (and
/// whatever shares a page with them).
class DeviceAccess {
 public:
  DeviceAccess(const void* data, size_t bytes);
  ~DeviceAccess();
  DeviceAccess(DeviceAccess&& other) noexcept : data_(other.data_), bytes_(other.bytes_) { other.bytes_ = 0; }
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;

 private:
  const void* data_;
  size_t bytes_;
};

/// Gives memory filled with bytes 0xff (NaN in floats), so values that were never written show.
c10::Allocator& device_allocator();
/// Allocates host memory for queued copies.
c10::Allocator& pinned_allocator();

bool is_device_memory(const void* data);
bool is_pinned_memory(const void* data);

/// The most bytes of tensors alive at the same time since the last reset.
int64_t device_bytes_peak();
void reset_device_bytes_peak();

}  // namespace apportion::testing
