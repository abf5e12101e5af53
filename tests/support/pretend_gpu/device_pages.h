// The memory of the pretended GPU: one range of addresses that no code may touch but while a DeviceAccess
// lives.
#pragma once

#include <c10/core/Allocator.h>

#include <cstddef>

namespace apportion::testing {

/// While one lives, `bytes` of the device's memory from `data` on (and what shares a page with them) can be
/// read and written, by every thread.
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

/// Gives memory that holds no numbers (bytes 0xff): what was never written shows.
c10::Allocator& device_allocator();
/// Of the host, for copies that are queued.
c10::Allocator& pinned_allocator();

bool is_device_memory(const void* data);
bool is_pinned_memory(const void* data);

/// The most bytes of tensors alive at one time since the last reset.
int64_t device_bytes_peak();
void reset_device_bytes_peak();

}  // namespace apportion::testing
