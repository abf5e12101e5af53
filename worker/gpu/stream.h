// What collectives over NCCL need from a GPU's streams, and no more. A stream is a queue whose work runs
// later, in order. There are two forms, never linked together: stream_cuda.cpp in the program, and one made
// of threads for tests (tests/support/pretend_nccl).
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Stream.h>

#include <functional>
#include <memory>
#include <vector>

struct CUstream_st;  // a cudaStream_t points to one

namespace apportion {

class GpuStream {
 public:
  /// A stream that takes priority over the computation's when both have work.
  static GpuStream from_pool();
  /// The stream that this thread's tensor operations go into.
  static GpuStream current();

  explicit GpuStream(c10::Stream stream) : stream_(stream) {}
  c10::Stream torch() const { return stream_; }
  CUstream_st* handle() const;

 private:
  c10::Stream stream_;
};

/// While it lives, this thread's tensor operations go into `stream`.
class GpuStreamGuard {
 public:
  explicit GpuStreamGuard(const GpuStream& stream);
  ~GpuStreamGuard();
  GpuStreamGuard(const GpuStreamGuard&) = delete;
  GpuStreamGuard& operator=(const GpuStreamGuard&) = delete;

 private:
  struct Guard;
  std::unique_ptr<Guard> guard_;
};

/// Marks the end of what is in `stream` when it is made.
class GpuMark {
 public:
  explicit GpuMark(const GpuStream& stream);
  ~GpuMark();
  GpuMark(const GpuMark&) = delete;
  GpuMark& operator=(const GpuMark&) = delete;

  bool reached() const;
  /// Makes work put into `stream` from now on run after this mark.
  void hold(const GpuStream& stream) const;

 private:
  struct Event;
  std::unique_ptr<Event> event_;
};

/// Whether this form's NCCL can move it.
bool is_on_gpu(const at::Tensor& tensor);

/// When the tensor is freed, its memory is not reused until `stream` has finished what it then contains.
/// Without this call only the stream that it was made on is considered.
void keep_memory_for(const at::Tensor& tensor, const GpuStream& stream);

/// Puts `work`, which computes with `tensors`, into the current stream. Computation outside this call does
/// not follow a stream's order in every form.
void put_in_stream(const std::vector<at::Tensor>& tensors,
                   const std::function<void(const std::vector<at::Tensor>&)>& work);

}  // namespace apportion
