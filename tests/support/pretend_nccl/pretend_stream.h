// A GPU's streams as threads with queues, for tests. Work runs in order, and late on purpose, so a missing
// wait gives wrong data. Tensors are in plain memory, which is overwritten as soon as the GPU's allocator
// could reuse it. worker/gpu/stream.h is implemented on these.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace apportion {

/// Records something wrong that a test's GPUs or NCCL have seen, whoever did it.
void note_pretend_fault(const std::string& text);
/// All faults since the last call.
std::vector<std::string> take_pretend_faults();

class PretendStream {
 public:
  PretendStream();
  ~PretendStream();  // drops what is left in the queue
  void put(std::function<void()> work);
  bool is_idle();

 private:
  void run();
  void dawdle();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  bool is_busy_ = false, is_ending_ = false;
  uint64_t lateness_;
  std::thread thread_;
};

/// A stream that lives until finish_pretend_streams().
std::shared_ptr<PretendStream> make_pretend_stream();

/// From here on tensors use a pretended GPU's memory. Call it once, before there are tensors.
void use_pretend_memory();

/// From here on this thread computes on its own GPU, with its own current stream.
void become_pretend_gpu();

/// Call at the end of a test, when nobody adds work: waits for all streams and ends them. A stream that does
/// not finish is a fault.
void finish_pretend_streams();

}  // namespace apportion
