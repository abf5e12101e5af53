#include "tests/support/pretend_gpu/device_pages.h"

#include <sys/mman.h>

#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>
#include <vector>

#include "shared/base/error.h"

namespace apportion::testing {
namespace {

constexpr size_t page = 4096, arena_bytes = size_t{64} << 30, least_bytes = 512;

/// Blocks of powers of two, reused for requests of the same size. Pages are opened one by one: opening the
/// whole range would take a hundred times as long as an operator on such small tensors.
class Arena {
 public:
  Arena() : base_(map()) {}

  void* take(size_t bytes) {
    const std::lock_guard lock(mutex_);
    const size_t size = std::bit_ceil(std::max(bytes, least_bytes));
    auto& list = unused_.at(static_cast<size_t>(std::countr_zero(size)));
    char* block = nullptr;
    if (!list.empty()) {
      block = list.back();
      list.pop_back();
    } else {
      if (used_ + size > arena_bytes) return nullptr;
      block = base_ + used_;
      used_ += size;
    }
    live_ += static_cast<int64_t>(size);
    peak_ = std::max(peak_, live_);
    return block;
  }

  void give_back(void* block, size_t bytes) {
    const std::lock_guard lock(mutex_);
    const size_t size = std::bit_ceil(std::max(bytes, least_bytes));
    unused_.at(static_cast<size_t>(std::countr_zero(size))).push_back(static_cast<char*>(block));
    live_ -= static_cast<int64_t>(size);
  }

  void open(const void* data, size_t bytes) {
    const std::lock_guard lock(mutex_);
    const auto [first, last] = pages_of(data, bytes);
    bool is_shut = false;
    for (size_t p = first; p < last; ++p) is_shut |= users_[p]++ == 0;
    if (is_shut) protect(first, last, PROT_READ | PROT_WRITE);
  }

  void close(const void* data, size_t bytes) {
    const std::lock_guard lock(mutex_);
    const auto [first, last] = pages_of(data, bytes);
    size_t shut = first;  // pages from here on are not needed
    for (size_t p = first; p < last; ++p) {
      if (--users_[p] == 0) continue;
      protect(shut, p, PROT_NONE);
      shut = p + 1;
    }
    protect(shut, last, PROT_NONE);
  }

  bool holds(const void* data) const {
    const auto* address = static_cast<const char*>(data);
    return address >= base_ && address < base_ + arena_bytes;
  }

  int64_t peak() {
    const std::lock_guard lock(mutex_);
    return peak_;
  }

  void reset_peak() {
    const std::lock_guard lock(mutex_);
    peak_ = live_;
  }

  static Arena& instance() {
    static auto* arena = new Arena;  // never destroyed: tensors may outlive static objects
    return *arena;
  }

 private:
  static char* map() {
    void* mapped = mmap(nullptr, arena_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ensure(mapped != MAP_FAILED, "addresses for the pretended GPU are to be had");
    return static_cast<char*>(mapped);
  }

  std::pair<size_t, size_t> pages_of(const void* data, size_t bytes) const {
    const auto from = static_cast<size_t>(static_cast<const char*>(data) - base_);
    return {from / page, (from + bytes + page - 1) / page};
  }

  void protect(size_t first, size_t last, int rights) {
    if (first == last) return;
    ensure(mprotect(base_ + first * page, (last - first) * page, rights) == 0, "memory can be protected");
  }

  std::mutex mutex_;
  char* base_;
  size_t used_ = 0;
  std::vector<uint16_t> users_ = std::vector<uint16_t>(arena_bytes / page);  // for each page
  int64_t live_ = 0, peak_ = 0;
  std::array<std::vector<char*>, 64> unused_;  // by the power of two
};

struct Block {
  void* data;
  size_t bytes;
};

class DeviceAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    const c10::Device device(c10::kPrivateUse1, 0);
    if (bytes == 0) return {nullptr, device};
    void* data = Arena::instance().take(bytes);
    ensure(data != nullptr, "the pretended GPU has room");
    const DeviceAccess access(data, bytes);
    std::memset(data, 0xff, bytes);
    return {data, new Block{data, bytes}, &DeviceAllocator::release, device};
  }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    const DeviceAccess read(from, bytes), written(to, bytes);
    default_copy_data(to, from, bytes);
  }

 private:
  static void release(void* context) {
    const auto* block = static_cast<Block*>(context);
    Arena::instance().give_back(block->data, block->bytes);
    delete block;
  }
};

class PinnedAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* data = std::aligned_alloc(64, (std::max<size_t>(bytes, 1) + 63) / 64 * 64);
    ensure(data != nullptr, "the host has room");
    const std::lock_guard lock(mutex_);
    pinned_.insert({static_cast<char*>(data), bytes});
    return {data, data, &PinnedAllocator::release, c10::Device(c10::kCPU)};
  }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
  bool holds(const void* data) {
    const auto* address = static_cast<const char*>(data);
    const std::lock_guard lock(mutex_);
    for (const auto& [start, bytes] : pinned_) {
      if (address >= start && address < start + bytes) return true;
    }
    return false;
  }
  static PinnedAllocator& instance() {
    static auto* allocator = new PinnedAllocator;
    return *allocator;
  }

 private:
  static void release(void* data) {
    PinnedAllocator& own = instance();
    const std::lock_guard lock(own.mutex_);
    own.pinned_.erase(own.pinned_.lower_bound({static_cast<char*>(data), 0}));
    std::free(data);
  }

  std::mutex mutex_;
  std::set<std::pair<char*, size_t>> pinned_;
};

}  // namespace

DeviceAccess::DeviceAccess(const void* data, size_t bytes)
    : data_(data), bytes_(is_device_memory(data) ? bytes : 0) {
  if (bytes_ > 0) Arena::instance().open(data_, bytes_);
}
DeviceAccess::~DeviceAccess() {
  if (bytes_ > 0) Arena::instance().close(data_, bytes_);
}

c10::Allocator& device_allocator() {
  static auto* allocator = new DeviceAllocator;
  return *allocator;
}
c10::Allocator& pinned_allocator() { return PinnedAllocator::instance(); }
bool is_device_memory(const void* data) { return Arena::instance().holds(data); }
bool is_pinned_memory(const void* data) { return PinnedAllocator::instance().holds(data); }
int64_t device_bytes_peak() { return Arena::instance().peak(); }
void reset_device_bytes_peak() { Arena::instance().reset_peak(); }

}  // namespace apportion::testing
