// Host memory for tensors. A step makes the same tensors as the step before, so their memory is kept by size
// and given out again: nothing is mapped, cleared or searched for anew, whichever thread asks. GPU memory is
// LibTorch's own business, which does the same.
#pragma once

#include <cstdint>

namespace apportion {

/// From here on tensors on the CPU take their memory from what earlier ones gave back. Call it once, before
/// any tensor that is to be freed by it is made. Out of memory throws std::bad_alloc.
void keep_tensor_memory();

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
