// Collectives over NCCL, on the GPU's current stream. Host values and the barrier go over `control` (MPI);
// every operation ends before its call returns, so MPI and NCCL are never in flight together. A communicator
// that fails or times out is aborted and of no further use: the job ends (see apportion.cpp). The tests see
// that this file compiles and links; they have no GPU to run it on.
#include <ATen/core/Tensor.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>
#include <nccl.h>

#include <chrono>
#include <string>
#include <thread>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "worker/parallel/collectives.h"

namespace apportion {
namespace {

/// A CUDA event without timing, to ask whether the stream has reached a point.
class StreamMark {
 public:
  explicit StreamMark(cudaStream_t stream) {
    C10_CUDA_CHECK(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming));
    C10_CUDA_CHECK(cudaEventRecord(event_, stream));
  }
  ~StreamMark() { C10_CUDA_IGNORE_ERROR(cudaEventDestroy(event_)); }
  StreamMark(const StreamMark&) = delete;
  StreamMark& operator=(const StreamMark&) = delete;

  bool reached() const {
    cudaError_t state = cudaEventQuery(event_);
    if (state == cudaErrorNotReady) {
      (void)cudaGetLastError();  // "not ready" is no error to find later
      return false;
    }
    C10_CUDA_CHECK(state);
    return true;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

/// Rank 0's NCCL id, on every rank: its bytes travel as one double each.
ncclUniqueId share_id(Collectives& control) {
  std::vector<double> mine;
  ncclUniqueId id;
  if (control.group_rank() == 0) {
    ncclResult_t result = ncclGetUniqueId(&id);
    if (result != ncclSuccess)
      throw RankError(-1, std::string("NCCL has no id: ") + ncclGetErrorString(result));
    for (char byte : id.internal) mine.push_back(static_cast<unsigned char>(byte));
  }
  std::vector<double> bytes = control.all_gather(mine);
  ensure(bytes.size() == sizeof(id.internal), "rank 0 alone sends the NCCL id");
  for (size_t i = 0; i < bytes.size(); ++i)
    id.internal[i] = static_cast<char>(static_cast<unsigned char>(bytes[i]));
  control.barrier();  // a rank that runs ahead into the communicator's creation can hang it
  return id;
}

class NcclCollectives : public Collectives {
 public:
  NcclCollectives(std::unique_ptr<Collectives> control, double timeout_s)
      : control_(std::move(control)), timeout_s_(timeout_s) {
    ncclUniqueId id = share_id(*control_);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;  // so that every wait is ours and can time out
    check(ncclCommInitRankConfig(&communicator_, size(), id, group_rank(), &config), "the start of NCCL");
    wait_for_calls("the start of NCCL");
  }

  ~NcclCollectives() override {
    if (communicator_) ncclCommAbort(communicator_);  // nothing is in flight: every call waited for its end
  }
  NcclCollectives(const NcclCollectives&) = delete;
  NcclCollectives& operator=(const NcclCollectives&) = delete;

  int size() const override { return control_->size(); }
  int group_rank() const override { return control_->group_rank(); }

  void broadcast(at::Tensor& tensor, int root) override {
    run(tensor, "broadcast", [&](void* data, size_t count, cudaStream_t stream) {
      return ncclBroadcast(data, data, count, ncclFloat, root, communicator_, stream);
    });
  }

  void send(const at::Tensor& tensor, int to) override {
    run(tensor, "send to group rank " + std::to_string(to),
        [&](void* data, size_t count, cudaStream_t stream) {
          return ncclSend(data, count, ncclFloat, to, communicator_, stream);
        });
  }

  void receive(at::Tensor& tensor, int from) override {
    run(tensor, "receive from group rank " + std::to_string(from),
        [&](void* data, size_t count, cudaStream_t stream) {
          return ncclRecv(data, count, ncclFloat, from, communicator_, stream);
        });
  }

  std::vector<double> all_gather(const std::vector<double>& values) override {
    return control_->all_gather(values);
  }

  void barrier() override { control_->barrier(); }

 private:
  template <typename Call>
  void run(const at::Tensor& tensor, const std::string& operation, const Call& call) {
    ensure(tensor.is_cuda() && tensor.is_contiguous() && tensor.scalar_type() == at::kFloat,
           "NCCL moves contiguous float32 tensors of the GPU");
    if (!communicator_) throw RankError(-1, operation + ": NCCL was aborted before");
    cudaStream_t stream = c10::cuda::getCurrentCUDAStream(tensor.device().index()).stream();
    check(call(tensor.data_ptr(), static_cast<size_t>(tensor.numel()), stream), operation);
    wait_for_calls(operation);
    StreamMark end(stream);
    poll(operation, [&] { return asynchronous_state(operation) == ncclSuccess && end.reached(); });
  }

  /// Waits until NCCL has taken the calls made so far (a communicator that does not block takes them later).
  void wait_for_calls(const std::string& operation) {
    poll(operation, [&] { return asynchronous_state(operation) == ncclSuccess; });
  }

  ncclResult_t asynchronous_state(const std::string& operation) {
    ncclResult_t state = ncclSuccess;
    check(ncclCommGetAsyncError(communicator_, &state), operation);
    check(state, operation);
    return state;
  }

  template <typename Done>
  void poll(const std::string& operation, const Done& done) {
    double start = seconds_now();
    while (!done()) {
      double waited = seconds_now() - start;
      if (waited > timeout_s_) fail(operation + " did not end within " + std::to_string(timeout_s_) + " s");
      if (waited > 0.001) std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }

  void check(ncclResult_t result, const std::string& operation) {
    if (result == ncclSuccess || result == ncclInProgress) return;
    fail(operation + " failed: " + ncclGetErrorString(result) + ", " + ncclGetLastError(communicator_));
  }

  [[noreturn]] void fail(const std::string& reason) {
    if (communicator_) ncclCommAbort(communicator_);
    communicator_ = nullptr;
    throw RankError(-1, "NCCL: " + reason);
  }

  std::unique_ptr<Collectives> control_;
  double timeout_s_;
  ncclComm_t communicator_ = nullptr;
};

}  // namespace

std::unique_ptr<Collectives> make_nccl_collectives(std::unique_ptr<Collectives> control, double timeout_s) {
  return std::make_unique<NcclCollectives>(std::move(control), timeout_s);
}

}  // namespace apportion
