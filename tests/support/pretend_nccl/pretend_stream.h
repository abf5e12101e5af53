// A GPU's streams as threads with queues, for tests: what is put in runs in order, and late on purpose, so
// that a missing wait gives wrong data. Tensors are in plain memory, which is overwritten as soon as the
// GPU's allocator would be free to give it away. worker/gpu/stream.h is implemented on these.
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

/// What a test's GPUs and its NCCL have seen that is wrong, whoever did it.
void note_pretend_fault(const std::string& text);
/// All of it since the last call.
std::vector<std::string> take_pretend_faults();

class PretendStream {
 public:
  PretendStream();
  ~PretendStream();  // what is left in the queue does not run
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

/// From here on tensors' memory is a pretended GPU's. To be called once, before there are tensors.
void use_pretend_memory();

/// This thread computes on a GPU of its own, with a current stream of its own, from here on.
void become_pretend_gpu();

/// At the end of a test, when nobody puts anything in: waits for all streams and ends them. A stream that
/// does not come to its end is a fault.
void finish_pretend_streams();

}  // namespace apportion
