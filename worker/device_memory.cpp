#include "worker/device_memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <malloc.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

#include "shared/base/memory_limits.h"

namespace apportion {
namespace {

constexpr size_t alignment = 64;
/// Keeps no more than this: a big tensor that comes only once must not cost memory until the task ends.
constexpr int64_t most_kept = int64_t{2} << 30;

/// Sizes are rounded up to classes, four for each power of two, so at most a fifth is wasted.
constexpr size_t least_bytes = 256, classes_per_doubling = 4, class_count = 4 * 50;

std::string mebibytes(double bytes) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f MiB", bytes / mebi);
  return text.data();
}

/// `missing`: "16.0 MiB for a tensor".
std::string shortage(const std::string& missing, int64_t live) {
  return "out of memory: " + missing + " could not be allocated on top of " +
         mebibytes(static_cast<double>(live)) +
         " of tensors; use more ranks that share the base (shard_size), recompute = always, or more memory";
}

/// Stands before each block, which starts one alignment later.
struct Header {
  size_t size_class;
  size_t asked;  // bytes
};

size_t class_of(size_t bytes) {
  if (bytes <= least_bytes) return 0;
  const size_t doublings = static_cast<size_t>(std::bit_width((bytes - 1) / least_bytes)) - 1;
  const size_t step = (least_bytes << doublings) / classes_per_doubling;
  return doublings * classes_per_doubling + (bytes - (least_bytes << doublings) + step - 1) / step;
}

size_t bytes_of(size_t size_class) {
  const size_t doublings = size_class / classes_per_doubling, quarters = size_class % classes_per_doubling;
  return (least_bytes << doublings) / classes_per_doubling * (classes_per_doubling + quarters);
}

class KeepingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* data = bytes == 0 ? nullptr : take(bytes);
    return {data, data, &KeepingAllocator::give_back, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &KeepingAllocator::give_back; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

  void release_unused() {
    const std::lock_guard lock(mutex_);
    for (auto& list : unused_) {
      for (void* block : list) std::free(block);
      list.clear();
    }
    kept_ = 0;
  }

  TensorMemory memory() {
    const std::lock_guard lock(mutex_);
    return {live_, kept_, asked_peak_};
  }

  void reset_peak() {
    const std::lock_guard lock(mutex_);
    asked_peak_ = asked_;
  }

  static KeepingAllocator& instance() {
    static auto* allocator = new KeepingAllocator;  // never destroyed: tensors may outlive static objects
    return *allocator;
  }

 private:
  void* take(size_t bytes) {
    const size_t size_class = class_of(bytes), size = bytes_of(size_class);
    void* block = nullptr;
    {
      const std::lock_guard lock(mutex_);
      live_ += static_cast<int64_t>(size);
      auto& list = unused_.at(size_class);
      if (!list.empty()) {
        block = list.back();
        list.pop_back();
        kept_ -= static_cast<int64_t>(size);
      }
    }
    if (!block) block = std::aligned_alloc(alignment, size + alignment);
    if (!block) {  // blocks kept for other sizes may make room
      release_unused();
      block = std::aligned_alloc(alignment, size + alignment);
    }
    if (!block) {
      const std::lock_guard lock(mutex_);
      live_ -= static_cast<int64_t>(size);
      throw OutOfMemory(shortage(mebibytes(static_cast<double>(bytes)) + " for a tensor", live_));
    }
    *static_cast<Header*>(block) = {size_class, bytes};
    count_asked(static_cast<int64_t>(bytes));
    void* data = static_cast<char*>(block) + alignment;
    report(data, static_cast<int64_t>(bytes));
    return data;
  }

  /// Lets LibTorch's profilers see this memory like its own.
  static void report(void* data, int64_t bytes) {
    if (!c10::memoryProfilingEnabled()) return;
    const TensorMemory now = instance().memory();
    c10::reportMemoryUsageToProfiler(data, bytes, static_cast<size_t>(now.live),
                                     static_cast<size_t>(now.live + now.kept),
                                     c10::Device(c10::DeviceType::CPU));
  }

  void count_asked(int64_t bytes) {
    const std::lock_guard lock(mutex_);
    asked_ += bytes;
    asked_peak_ = std::max(asked_peak_, asked_);
  }

  static void give_back(void* data) {
    if (data) instance().put(static_cast<char*>(data) - alignment);
  }

  void put(void* block) {
    const auto [size_class, asked] = *static_cast<Header*>(block);
    report(static_cast<char*>(block) + alignment, -static_cast<int64_t>(asked));
    const auto size = static_cast<int64_t>(bytes_of(size_class));
    {
      const std::lock_guard lock(mutex_);
      live_ -= size;
      asked_ -= static_cast<int64_t>(asked);
      if (kept_ + size <= most_kept) {
        unused_.at(size_class).push_back(block);
        kept_ += size;
        return;
      }
    }
    std::free(block);
  }

  std::mutex mutex_;
  std::array<std::vector<void*>, class_count> unused_;  // by size class
  int64_t live_ = 0, kept_ = 0, asked_ = 0, asked_peak_ = 0;
};

/// Whether `text` is what LibTorch's CPU allocator throws (c10/core/impl/alloc_cpu.cpp).
bool is_of_libtorch(const std::string& text) {
  return text.find("DefaultCPUAllocator: ") != std::string::npos &&
         (text.find("not enough memory") != std::string::npos ||
          text.find("can't allocate memory") != std::string::npos);
}

}  // namespace

std::string memory_shortage(const std::exception& error) {
  if (dynamic_cast<const OutOfMemory*>(&error)) return error.what();
  const int64_t live = tensor_memory().live;
  if (dynamic_cast<const std::bad_alloc*>(&error)) return shortage("an object of the program", live);
  if (const auto* system = dynamic_cast<const std::system_error*>(&error)) {
    if (system->code() == std::errc::resource_unavailable_try_again)
      return shortage("a thread's stack", live);
    if (system->code() == std::errc::not_enough_memory) return shortage("what the system needs", live);
  }
  const std::string text = error.what();
  return is_of_libtorch(text) ? shortage("a buffer of LibTorch's", live) : "";
}

void keep_tensor_memory() {
  constexpr uint8_t above_the_default = 1;
  c10::SetCPUAllocator(&KeepingAllocator::instance(), above_the_default);
  map_large_blocks();
}

void map_large_blocks() {
  constexpr int large = 256 << 10;
  mallopt(M_MMAP_THRESHOLD, large);
}

void release_unused_memory() { KeepingAllocator::instance().release_unused(); }

void reset_tensor_memory_peak() { KeepingAllocator::instance().reset_peak(); }

TensorMemory tensor_memory() { return KeepingAllocator::instance().memory(); }

}  // namespace apportion
