// Host memory for tensors. A step makes the same tensors as the step before, so their memory is kept by size
// and given out again: nothing is mapped, cleared or searched for anew, whichever thread asks. GPU memory is
// LibTorch's own business, which does the same.
#pragma once

#include <cstdint>
#include <exception>
#include <new>
#include <string>

namespace apportion {

/// What could not be allocated, in a line for people.
class OutOfMemory : public std::bad_alloc {
 public:
  explicit OutOfMemory(std::string message) : message_(std::move(message)) {}
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  std::string message_;
};

/// The line for an exception that means that memory ran out, whoever threw it: this allocator, operator new,
/// LibTorch's own allocator, a thread that had no room for its stack. Empty for any other.
std::string memory_shortage(const std::exception& error);

/// From here on tensors on the CPU take their memory from what earlier ones gave back. Call it once, before
/// any tensor that is to be freed by it is made. Out of memory throws OutOfMemory.
void keep_tensor_memory();

/// From here on a large block of memory is the system's again as soon as it is freed. glibc raises the size
/// from which that is so with each such block, and then rows of a model's file on their way into tensors
/// leave holes in the heap.
void map_large_blocks();

/// Hands all memory that no tensor holds back to the system; between tasks, whose sizes differ.
void release_unused_memory();

/// Bytes of tensors alive now, kept for later ones (both with what rounding up to a size class adds), and the
/// most that tensors alive at one time had asked for since reset_tensor_memory_peak().
struct TensorMemory {
  int64_t live = 0, kept = 0, asked_peak = 0;
};
TensorMemory tensor_memory();

/// From here on asked_peak is counted anew, beginning with what is alive.
void reset_tensor_memory_peak();

}  // namespace apportion
