// What collectives over NCCL need of a GPU's streams, and no more. A stream is a queue: what is put in runs
// later, in order. Two forms of these, never linked both: stream_cuda.cpp in the program, and one of threads
// for tests (tests/support/pretend_nccl).
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
  /// One that goes before the computation's where both have work.
  static GpuStream from_pool();
  /// The one that this thread's tensor operations are put into.
  static GpuStream current();

  explicit GpuStream(c10::Stream stream) : stream_(stream) {}
  c10::Stream torch() const { return stream_; }
  CUstream_st* handle() const;

 private:
  c10::Stream stream_;
};

/// While it lives, this thread's tensor operations are put into `stream`.
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

/// The end of what was in `stream` when the mark was made.
class GpuMark {
 public:
  explicit GpuMark(const GpuStream& stream);
  ~GpuMark();
  GpuMark(const GpuMark&) = delete;
  GpuMark& operator=(const GpuMark&) = delete;

  bool reached() const;
  /// What is put into `stream` from now on runs after this mark.
  void hold(const GpuStream& stream) const;

 private:
  struct Event;
  std::unique_ptr<Event> event_;
};

/// Whether NCCL of this form can move it.
bool is_on_gpu(const at::Tensor& tensor);

/// The tensor's memory is given to nobody else before `stream` has come to the end of what is in it when the
/// tensor goes; without this only the stream that it was made on is looked at.
void keep_memory_for(const at::Tensor& tensor, const GpuStream& stream);

/// Puts `work`, which computes with `tensors`, into the current stream. What is computed with tensors outside
/// of this is not in a stream's order in every form.
void put_in_stream(const std::vector<at::Tensor>& tensors,
                   const std::function<void(const std::vector<at::Tensor>&)>& work);

}  // namespace apportion
