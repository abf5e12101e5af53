// A rank's own files of a checkpoint, written by a thread while the rank computes on. When all ranks' parts
// are written, one rank completes the checkpoint. How ranks agree is up to the caller; checkpoint.h says what
// makes a checkpoint complete.
#pragma once

#include <cstdint>
#include <future>
#include <string>
#include <vector>

#include "shared/store/checkpoint.h"
#include "shared/store/manifest.h"

namespace apportion {

/// Rows [first, last) of a tensor and a copy of their bytes, since the tensor may change meanwhile.
struct CheckpointSlice {
  CheckpointTensor tensor;
  uint64_t first = 0, last = 0;
  std::string bytes;
};

/// Writes for one task, as rank `rank` of `ranks`, one thing at a time: a call waits for what was begun
/// before. What goes wrong in the thread is thrown by the next call, as UserError that names the checkpoint.
class CheckpointWriter {
 public:
  CheckpointWriter(std::string folder, std::string identity, uint64_t rank, uint64_t ranks,
                   Older older = Older::removed);
  /// Waits; an error is lost.
  ~CheckpointWriter() = default;
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  /// Begins to write this rank's part: data file, then manifest.
  void start(uint64_t step, std::vector<CheckpointSlice> slices);

  /// Begins to complete the checkpoint (complete_checkpoint). Called on one rank, when all have written their
  /// part.
  void start_completion(uint64_t step);

  /// Whether nothing is being written.
  bool idle();

  /// Waits until nothing is being written.
  void wait();

 private:
  template <typename Work>
  void run(uint64_t step, Work work);

  std::string folder_, identity_;
  uint64_t rank_, ranks_;
  Older older_;
  std::future<void> thread_;  // from std::async, so its destructor waits for the end
};

}  // namespace apportion
