// Streams and events of CUDA; see stream.h. No GPU has run this yet.
#include <ATen/ATen.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include "worker/gpu/stream.h"

namespace apportion {

GpuStream GpuStream::from_pool() { return GpuStream(c10::cuda::getStreamFromPool(true).unwrap()); }
GpuStream GpuStream::current() { return GpuStream(c10::cuda::getCurrentCUDAStream().unwrap()); }
CUstream_st* GpuStream::handle() const { return c10::cuda::CUDAStream(stream_).stream(); }

struct GpuStreamGuard::Guard {
  c10::cuda::CUDAStreamGuard guard;
};
GpuStreamGuard::GpuStreamGuard(const GpuStream& stream)
    : guard_(new Guard{c10::cuda::CUDAStreamGuard(stream.torch())}) {}
GpuStreamGuard::~GpuStreamGuard() = default;

struct GpuMark::Event {
  cudaEvent_t event = nullptr;
};

GpuMark::GpuMark(const GpuStream& stream) : event_(std::make_unique<Event>()) {
  C10_CUDA_CHECK(cudaEventCreateWithFlags(&event_->event, cudaEventDisableTiming));
  C10_CUDA_CHECK(cudaEventRecord(event_->event, stream.handle()));
}
GpuMark::~GpuMark() { C10_CUDA_IGNORE_ERROR(cudaEventDestroy(event_->event)); }

bool GpuMark::reached() const {
  const cudaError_t state = cudaEventQuery(event_->event);
  if (state == cudaErrorNotReady) {
    (void)cudaGetLastError();  // so nobody later takes "not ready" for an error
    return false;
  }
  C10_CUDA_CHECK(state);
  return true;
}

void GpuMark::hold(const GpuStream& stream) const {
  C10_CUDA_CHECK(cudaStreamWaitEvent(stream.handle(), event_->event, 0));
}

bool is_on_gpu(const at::Tensor& tensor) { return tensor.is_cuda(); }

void keep_memory_for(const at::Tensor& tensor, const GpuStream& stream) {
  if (tensor.numel() == 0) return;
  c10::cuda::CUDACachingAllocator::recordStream(tensor.storage().data_ptr(),
                                                c10::cuda::CUDAStream(stream.torch()));
}

void put_in_stream(const std::vector<at::Tensor>& tensors,
                   const std::function<void(const std::vector<at::Tensor>&)>& work) {
  work(tensors);  // each operation puts its kernels into the current stream
}

}  // namespace apportion
