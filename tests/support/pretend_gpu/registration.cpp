// Registers the pretended GPU with LibTorch: its guard, its hooks, its name.
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <cstring>

#include "tests/support/pretend_gpu/device_pages.h"
#include "tests/support/pretend_gpu/pretend_gpu.h"

namespace apportion::testing {
namespace {

const c10::Device the_device(c10::kPrivateUse1, 0);

/// One device with one stream, which does everything at once.
class Guard final : public c10::impl::DeviceGuardImplInterface {
 public:
  c10::DeviceType type() const override { return c10::kPrivateUse1; }
  c10::Device exchangeDevice(c10::Device) const override { return the_device; }
  c10::Device getDevice() const override { return the_device; }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::Stream getStream(c10::Device) const override { return stream(); }
  c10::Stream getDefaultStream(c10::Device) const override { return stream(); }
  c10::Stream exchangeStream(c10::Stream) const override { return stream(); }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  void record(void** event, const c10::Stream&, c10::DeviceIndex, c10::EventFlag) const override {
    *event = nullptr;
  }
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  bool queryStream(const c10::Stream&) const override { return true; }
  void synchronizeStream(const c10::Stream&) const override { wait_for_pretend_gpu(); }
  void synchronizeEvent(void*) const override { wait_for_pretend_gpu(); }
  void synchronizeDevice(c10::DeviceIndex) const override { wait_for_pretend_gpu(); }

 private:
  static c10::Stream stream() { return c10::Stream(c10::Stream::DEFAULT, the_device); }
};

class Hooks final : public at::PrivateUse1HooksInterface {
 public:
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  void setCurrentDevice(c10::DeviceIndex) const override {}
  c10::DeviceIndex exchangeDevice(c10::DeviceIndex) const override { return 0; }
  c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex) const override { return 0; }
  bool isPinnedPtr(const void* data) const override { return is_pinned_memory(data); }
  c10::Allocator* getPinnedMemoryAllocator() const override { return &pinned_allocator(); }
  at::Device getDeviceFromPtr(void*) const override { return the_device; }
  void resizePrivateUse1Bytes(const c10::Storage& storage, size_t bytes) const override {
    c10::DataPtr data = device_allocator().allocate(bytes);
    if (const size_t kept = std::min(bytes, storage.nbytes()); kept > 0)
      device_allocator().copy_data(data.get(), storage.data(), kept);
    storage.unsafeGetStorageImpl()->set_data_ptr_noswap(std::move(data));
    storage.unsafeGetStorageImpl()->set_nbytes(bytes);
  }
};

bool register_device() {
  c10::register_privateuse1_backend("pretend");
  static const c10::impl::DeviceGuardImplRegistrar guard(c10::kPrivateUse1, new Guard);
  at::RegisterPrivateUse1HooksInterface(new Hooks);
  c10::SetAllocator(c10::kPrivateUse1, &device_allocator());
  return true;
}

/// Early, since LibTorch's autograd counts the devices only once.
const c10::Device registered_early = pretend_gpu();

}  // namespace

c10::Device pretend_gpu() {
  static const bool is_registered = register_device();
  (void)is_registered;
  return the_device;
}

}  // namespace apportion::testing
