// Host memory for tensors. A step makes the same tensors as the step before, so their memory is kept by size
// and reused: nothing is mapped, cleared or searched for again, whichever thread asks. On a GPU LibTorch does
// the same by itself.
#pragma once

#include <cstdint>
#include <exception>
#include <new>
#include <string>

namespace apportion {

/// Says in one line for people what could not be allocated.
class OutOfMemory : public std::bad_alloc {
 public:
  explicit OutOfMemory(std::string message) : message_(std::move(message)) {}
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  std::string message_;
};

/// The line for an exception that means that memory ran out, whether this allocator threw it, operator new,
/// LibTorch's own allocator, or a thread without room for its stack. Empty for other exceptions.
std::string memory_shortage(const std::exception& error);

/// From here on tensors on the CPU reuse memory that earlier ones gave back. Call it once, before making any
/// tensor that it is to free. Throws OutOfMemory when memory runs out.
void keep_tensor_memory();

/// From here on a large block of memory goes back to the system as soon as it is freed. By default glibc
/// raises the size that counts as large with each such block, and then rows of a model's file, on their way
/// into tensors, leave holes in the heap.
void map_large_blocks();

/// Hands all memory that no tensor holds back to the system. Call it between tasks, whose sizes differ.
void release_unused_memory();

/// Bytes of tensors alive now and bytes kept for later ones (both after rounding up to a size class), and the
/// most that tensors alive at one time had requested since reset_tensor_memory_peak().
struct TensorMemory {
  int64_t live = 0, kept = 0, asked_peak = 0;
};
TensorMemory tensor_memory();

/// Restarts the count of asked_peak from what is alive now.
void reset_tensor_memory_peak();

}  // namespace apportion
