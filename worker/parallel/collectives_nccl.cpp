// Collectives over NCCL, on a stream of their own beside the computation's: a transfer begins when what is
// queued on the current stream at its start is done, and wait() lets both the current stream and the host
// wait for its end, so that a peer that is gone is named. Host values, shared memory and the barrier go over
// `control` (MPI), which is quiet while NCCL has something in flight but for a look whether a rank has
// aborted. NCCL moves bytes only: it adds in an order of its algorithm's, we along the tree of parts.h. A
// communicator that fails is aborted and of no further use: the job ends (see apportion.cpp). The tests see
// that this file compiles and links; they have no GPU to run it on.
#include <ATen/ATen.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>
#include <nccl.h>

#include <algorithm>
#include <exception>
#include <string>
#include <utility>

#include "shared/base/error.h"
#include "worker/parallel/collectives.h"
#include "worker/parallel/parts.h"
#include "worker/parallel/patience.h"

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
  /// What is queued on `stream` from now on runs after this mark.
  void hold(cudaStream_t stream) const { C10_CUDA_CHECK(cudaStreamWaitEvent(stream, event_, 0)); }

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

/// The communicator, its stream, and how to wait for them; shared with transfers, which may be the last to
/// go.
class NcclGroup {
 public:
  NcclGroup(std::unique_ptr<Collectives> control, double timeout_s)
      : control_(std::move(control)), timeout_s_(timeout_s), stream_(c10::cuda::getStreamFromPool(true)) {
    ncclUniqueId id = share_id(*control_);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;  // so that every wait is ours and can time out
    check(ncclCommInitRankConfig(&communicator_, control_->size(), id, control_->group_rank(), &config),
          "the start of NCCL");
    wait_for_calls("the start of NCCL");
  }
  ~NcclGroup() { abort_communicator(); }  // also ends what was started and not waited for
  NcclGroup(const NcclGroup&) = delete;
  NcclGroup& operator=(const NcclGroup&) = delete;

  Collectives& control() { return *control_; }
  ncclComm_t communicator() const { return communicator_; }
  cudaStream_t stream() const { return stream_.stream(); }
  const c10::cuda::CUDAStream& torch_stream() const { return stream_; }
  static cudaStream_t current_stream() { return c10::cuda::getCurrentCUDAStream().stream(); }

  void check_usable(const std::string& operation) {
    throw_if_aborted(operation);
    if (!communicator_) throw RankError(-1, operation + ": the group failed before: " + failure_);
  }

  /// An abort goes to the hosts first and to NCCL then, on every rank.
  void throw_if_aborted(const std::string& operation) {
    try {
      control_->throw_if_aborted(operation);
    } catch (...) {
      abort_communicator();
      throw;
    }
  }

  void abort_communicator() {
    if (communicator_) ncclCommAbort(communicator_);
    communicator_ = nullptr;
  }

  void check(ncclResult_t result, const std::string& operation) {
    if (result == ncclSuccess || result == ncclInProgress) return;
    const std::string reason =
        operation + " failed: NCCL: " + ncclGetErrorString(result) + ", " + ncclGetLastError(communicator_);
    fail(reason);
    throw RankError(-1, reason);
  }

  /// Waits until NCCL has taken the calls made so far (a communicator that does not block takes them later).
  /// Before that nothing else may be queued on the stream.
  void wait_for_calls(const std::string& operation) {
    poll(operation, [] { return true; });
  }

  void wait_for(const StreamMark& mark, const std::string& operation) {
    poll(operation, [&] { return mark.reached(); });
  }

 private:
  template <typename Done>
  void poll(const std::string& operation, const Done& done) {
    Patience waiting(operation, timeout_s_, [&] { control_->throw_if_aborted(operation); });
    try {
      while (!is_quiet(operation) || !done()) waiting.pause(-1);
    } catch (const std::exception& error) {
      fail(error.what());
      throw;
    }
  }

  /// The communicator is of no further use; later operations say why.
  void fail(const std::string& reason) {
    if (communicator_) failure_ = reason;
    abort_communicator();
  }

  bool is_quiet(const std::string& operation) {
    ncclResult_t state = ncclSuccess;
    check(ncclCommGetAsyncError(communicator_, &state), operation);
    check(state, operation);
    return state == ncclSuccess;
  }

  std::unique_ptr<Collectives> control_;
  double timeout_s_;
  c10::cuda::CUDAStream stream_;
  ncclComm_t communicator_ = nullptr;
  std::string failure_;  // why there is none
};

/// One queued operation. The stream ends operations in the order of their starts by itself.
class NcclTransfer : public Transfer {
 public:
  NcclTransfer(std::shared_ptr<NcclGroup> group, std::string operation)
      : group_(std::move(group)), operation_(std::move(operation)), end_(group_->stream()) {}

  void wait() override {
    if (is_done_) return;
    group_->check_usable(operation_);
    end_.hold(NcclGroup::current_stream());
    group_->wait_for(end_, operation_);
    is_done_ = true;
  }

 private:
  std::shared_ptr<NcclGroup> group_;
  std::string operation_;
  StreamMark end_;
  bool is_done_ = false;
};

class NcclCollectives : public Collectives {
 public:
  NcclCollectives(std::unique_ptr<Collectives> control, double timeout_s)
      : group_(std::make_shared<NcclGroup>(std::move(control), timeout_s)) {}

  int size() const override { return group_->control().size(); }
  int group_rank() const override { return group_->control().group_rank(); }

  void broadcast(at::Tensor& tensor, int root) override {
    check_float(tensor);
    queue(describe("broadcast", tensor.numel()), {tensor}, [&] {
      return ncclBroadcast(tensor.data_ptr(), tensor.data_ptr(), static_cast<size_t>(tensor.numel()),
                           ncclFloat, root, group_->communicator(), group_->stream());
    })->wait();
  }

  void send(const at::Tensor& tensor, int to) override {
    check_float(tensor);
    queue(with_rank(describe("send", tensor.numel()), to), {tensor}, [&] {
      return ncclSend(tensor.data_ptr(), static_cast<size_t>(tensor.numel()), ncclFloat, to,
                      group_->communicator(), group_->stream());
    })->wait();
  }

  void receive(at::Tensor& tensor, int from) override {
    check_float(tensor);
    queue(with_rank(describe("receive", tensor.numel()), from), {tensor}, [&] {
      return ncclRecv(tensor.data_ptr(), static_cast<size_t>(tensor.numel()), ncclFloat, from,
                      group_->communicator(), group_->stream());
    })->wait();
  }

  std::vector<double> all_gather(const std::vector<double>& values) override {
    return group_->control().all_gather(values);
  }
  void barrier() override { group_->control().barrier(); }

  std::unique_ptr<Transfer> start_all_gather(const at::Tensor& own, const at::Tensor& all,
                                             const std::vector<int64_t>& counts) override {
    const Parts parts(counts);
    check_parts(own, all, parts, size(), group_rank());
    return queue(describe("all_gather", parts.total()), {own, all}, [&] { return gather(own, all, parts); });
  }

  std::unique_ptr<Transfer> start_reduce_scatter(const at::Tensor& all, const at::Tensor& own,
                                                 const std::vector<int64_t>& counts) override {
    const Parts parts(counts);
    check_float(all);
    check_parts(own, all, parts, size(), group_rank());
    const std::string operation = describe("reduce_scatter", parts.total());
    return queue(operation, {all, own}, [&] { return add(all, own, parts, operation); });
  }

  std::unique_ptr<Transfer> start_all_reduce(const at::Tensor& tensor) override {
    check_float(tensor);
    const Parts parts = Parts::even(tensor.numel(), size());
    const std::string operation = describe("all_reduce", tensor.numel());
    const at::Tensor flat = tensor.view({tensor.numel()});
    const at::Tensor own = flat.narrow(0, parts.offset(group_rank()), parts.count(group_rank()));
    return queue(operation, {tensor}, [&] {
      group_->check(add(flat, own, parts, operation), operation);
      return gather(own, flat, parts);
    });
  }

  void abort(const std::string& reason) override {
    group_->control().abort(reason);
    group_->abort_communicator();
  }
  void throw_if_aborted(const std::string& operation) override { group_->throw_if_aborted(operation); }

  std::vector<int> node_ranks() const override { return group_->control().node_ranks(); }
  at::Tensor allocate_shared(int64_t bytes) override { return group_->control().allocate_shared(bytes); }

 private:
  /// Queues what `calls` does on the group's stream, behind what is queued on the current one now.
  template <typename Calls>
  std::unique_ptr<Transfer> queue(const std::string& operation, const std::vector<at::Tensor>& tensors,
                                  const Calls& calls) {
    for (const at::Tensor& tensor : tensors) {
      ensure(tensor.is_cuda() && tensor.is_contiguous(), "NCCL moves contiguous tensors of the GPU");
      // The allocator must not give the memory away before this stream has used it, also when nobody waits.
      if (tensor.numel() > 0) {
        c10::cuda::CUDACachingAllocator::recordStream(tensor.storage().data_ptr(), group_->torch_stream());
      }
    }
    group_->check_usable(operation);
    StreamMark(NcclGroup::current_stream()).hold(group_->stream());
    const c10::cuda::CUDAStreamGuard guard(group_->torch_stream());
    group_->check(calls(), operation);
    group_->wait_for_calls(operation);
    return std::make_unique<NcclTransfer>(group_, operation);
  }

  static char* bytes_of(const at::Tensor& tensor) { return static_cast<char*>(tensor.data_ptr()); }

  /// One call when all parts are equal, else a broadcast of each.
  ncclResult_t gather(const at::Tensor& own, const at::Tensor& all, const Parts& parts) {
    const auto element = static_cast<int64_t>(own.element_size());
    bool is_even = true;
    for (int rank = 0; rank < size(); ++rank) is_even &= parts.count(rank) == parts.count(0);
    if (is_even) {
      return ncclAllGather(own.data_ptr(), all.data_ptr(), static_cast<size_t>(own.numel() * element),
                           ncclUint8, group_->communicator(), group_->stream());
    }
    ncclResult_t result = ncclGroupStart();
    for (int root = 0; root < size() && !is_error(result); ++root) {
      char* part = bytes_of(all) + parts.offset(root) * element;
      result = ncclBroadcast(root == group_rank() ? bytes_of(own) : part, part,
                             static_cast<size_t>(parts.count(root) * element), ncclUint8, root,
                             group_->communicator(), group_->stream());
    }
    return end_group(result);
  }

  static bool is_error(ncclResult_t result) { return result != ncclSuccess && result != ncclInProgress; }

  /// The group has to be ended also after an error, which is then the result.
  static ncclResult_t end_group(ncclResult_t result) {
    const ncclResult_t ended = ncclGroupEnd();
    return is_error(result) ? result : ended;
  }

  /// Every rank's contribution to the own part comes here and is added along the tree.
  ncclResult_t add(const at::Tensor& all, const at::Tensor& own, const Parts& parts,
                   const std::string& operation) {
    const at::Tensor scratch = at::empty({size(), own.numel()}, own.options());
    const auto* source = all.data_ptr<float>();
    ncclResult_t result = ncclGroupStart();
    for (int peer = 0; peer < size() && !is_error(result); ++peer) {
      result = ncclSend(source + parts.offset(peer), static_cast<size_t>(parts.count(peer)), ncclFloat, peer,
                        group_->communicator(), group_->stream());
      if (is_error(result)) break;
      result = ncclRecv(scratch.data_ptr<float>() + peer * own.numel(), static_cast<size_t>(own.numel()),
                        ncclFloat, peer, group_->communicator(), group_->stream());
    }
    result = end_group(result);
    if (is_error(result)) return result;
    group_->wait_for_calls(operation);
    add_rows(scratch, 0, size());
    own.view({-1}).copy_(scratch[0]);
    return ncclSuccess;
  }

  /// rows[first] += the other rows before `last`, in the order of tree_sum_into.
  static void add_rows(const at::Tensor& rows, int first, int last) {
    if (last - first == 1) return;
    const int middle = first + (last - first + 1) / 2;
    add_rows(rows, first, middle);
    add_rows(rows, middle, last);
    rows[first].add_(rows[middle]);
  }

  std::shared_ptr<NcclGroup> group_;
};

}  // namespace

std::unique_ptr<Collectives> make_nccl_collectives(std::unique_ptr<Collectives> control, double timeout_s) {
  return std::make_unique<NcclCollectives>(std::move(control), timeout_s);
}

}  // namespace apportion
