// Collectives over NCCL, on a stream of their own next to the computation's. A transfer begins once
// everything queued on the current stream at its start is done. wait() makes both the current stream and the
// host wait for its end, so a lost peer is named. Host values, shared memory and the barrier go over
// `control` (MPI). While NCCL has something in flight, control is quiet except for checking whether a rank
// has aborted. NCCL only moves bytes: it would add in its algorithm's order, while we add along the tree of
// parts.h. A communicator that fails is aborted and never reused: the job ends (see apportion.cpp). One whose
// group has ended well is kept for the next group of the same ranks (NcclPool), and at the job's end all
// ranks finalize theirs. Streams are in worker/gpu/stream.h. Tests run this file over pretended ones
// (tests/support/pretend_nccl); no GPU has run it yet.
#include <ATen/ATen.h>
#include <nccl.h>

#include <algorithm>
#include <deque>
#include <exception>
#include <string>
#include <utility>

#include "shared/base/error.h"
#include "worker/gpu/stream.h"
#include "worker/parallel/collectives.h"
#include "worker/parallel/parts.h"
#include "worker/parallel/patience.h"

namespace apportion {
namespace {

/// A communicator waiting for its next group. `token` is its number in the pool of the group's first rank.
struct IdleCommunicator {
  ncclComm_t communicator;
  double token;
};

class Pool : public NcclPool {
 public:
  explicit Pool(double end_timeout_s) : end_timeout_s_(end_timeout_s) {}
  ~Pool() override {
    for (const auto& [ranks, idle] : idle_) ncclCommAbort(idle.communicator);
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  void close() override {
    std::vector<ncclResult_t> begun;  // start all before waiting for any
    for (const auto& [ranks, idle] : idle_) begun.push_back(ncclCommFinalize(idle.communicator));
    for (size_t i = 0; i < idle_.size(); ++i) end(idle_[i].second.communicator, begun[i]);
    idle_.clear();
  }

  double next_token() { return ++last_token_; }

  /// The token of the communicator that `ranks` left last, 0 if there is none.
  double token_for(const std::vector<int>& ranks) const {
    const auto found = find(ranks);
    return found == idle_.rend() ? 0 : found->second.token;
  }
  IdleCommunicator take(const std::vector<int>& ranks) {
    const auto found = find(ranks);
    const IdleCommunicator taken = found->second;
    idle_.erase(std::next(found).base());
    return taken;
  }
  void keep(const std::vector<int>& ranks, const IdleCommunicator& idle) {
    idle_.emplace_back(ranks, idle);
    // Each has buffers on the GPU, so only a few are kept. A rank joins a new group only when all ranks of
    // its last one are done, so nothing of the oldest is in flight on any rank, and ending it needs no other
    // rank. A rank that still has it learns when the group is next formed that this rank has not.
    constexpr size_t most = 6;
    if (idle_.size() <= most) return;
    ncclCommAbort(idle_.front().second.communicator);
    idle_.erase(idle_.begin());
  }

 private:
  using Entry = std::pair<std::vector<int>, IdleCommunicator>;

  std::vector<Entry>::const_reverse_iterator find(const std::vector<int>& ranks) const {
    return std::find_if(idle_.rbegin(), idle_.rend(),
                        [&](const Entry& entry) { return entry.first == ranks; });
  }

  void end(ncclComm_t communicator, ncclResult_t state) const {
    try {
      Patience waiting("the end of NCCL", end_timeout_s_, {});
      for (; state == ncclInProgress; waiting.pause(-1)) {
        if (const ncclResult_t asked = ncclCommGetAsyncError(communicator, &state); asked != ncclSuccess)
          state = asked;
      }
      if (state == ncclSuccess) {
        ncclCommDestroy(communicator);
        return;
      }
    } catch (const RankError&) {  // a peer does not end it, but the job is done
    }
    ncclCommAbort(communicator);
  }

  double end_timeout_s_;
  double last_token_ = 0;
  std::vector<Entry> idle_;  // in the order they were left
};

/// Gives every rank rank 0's NCCL id and token; each byte travels as a double.
std::pair<ncclUniqueId, double> share_id(Collectives& control, Pool& pool) {
  std::vector<double> mine;
  ncclUniqueId id;
  if (control.group_rank() == 0) {
    ncclResult_t result = ncclGetUniqueId(&id);
    if (result != ncclSuccess)
      throw RankError(-1, std::string("NCCL has no id: ") + ncclGetErrorString(result));
    for (char byte : id.internal) mine.push_back(static_cast<unsigned char>(byte));
    mine.push_back(pool.next_token());
  }
  std::vector<double> bytes = control.all_gather(mine);
  ensure(bytes.size() == sizeof(id.internal) + 1, "rank 0 alone sends the NCCL id");
  for (size_t i = 0; i < sizeof(id.internal); ++i)
    id.internal[i] = static_cast<char>(static_cast<unsigned char>(bytes[i]));
  control.barrier();  // a rank that starts creating the communicator too early can hang it
  return {id, bytes.back()};
}

struct QueuedOperation {
  QueuedOperation(std::string name, const GpuStream& stream) : operation(std::move(name)), end(stream) {}
  std::string operation;
  GpuMark end;
};

/// The communicator, its stream, and how to wait for them. Shared with transfers, which may outlive the
/// group.
class NcclGroup {
 public:
  NcclGroup(std::unique_ptr<Collectives> control, NcclPlace place)
      : control_(std::move(control)),
        place_(std::move(place)),
        pool_(std::dynamic_pointer_cast<Pool>(place_.pool)),
        stream_(GpuStream::from_pool()),
        exceptions_at_start_(std::uncaught_exceptions()) {
    ensure(pool_ != nullptr, "a group over NCCL has a pool that make_nccl_pool has made");
    control_->meet(place_.connect_timeout_s);
    try {
      if (!take_from_pool()) connect();
    } catch (...) {
      abort_communicator();
      throw;
    }
  }
  /// Operations that nobody waited for end first. While an exception unwinds, the other ranks may be
  /// elsewhere.
  ~NcclGroup() {
    if (!communicator_) return;
    try {
      if (std::uncaught_exceptions() > exceptions_at_start_) {
        abort_communicator();
        return;
      }
      wait_for(GpuMark(stream_), "the end of a group");
      pool_->keep(place_.ranks, {communicator_, token_});
    } catch (const std::exception&) {
      abort_communicator();
    }
  }
  NcclGroup(const NcclGroup&) = delete;
  NcclGroup& operator=(const NcclGroup&) = delete;

  Collectives& control() { return *control_; }
  ncclComm_t communicator() const { return communicator_; }
  const GpuStream& stream() const { return stream_; }

  void check_usable(const std::string& operation) {
    throw_if_aborted(operation);
    if (!communicator_) throw RankError(-1, operation + ": the group failed before: " + failure_);
  }

  /// An abort reaches the hosts first and then NCCL, on every rank.
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

  /// Waits until NCCL has taken the calls made so far (a non-blocking communicator takes them later). Until
  /// then nothing else may be queued on the stream.
  void wait_for_calls(const std::string& operation) {
    poll(waiting_in(operation), [] { return true; });
  }

  void wait_for(const GpuMark& mark, const std::string& operation) {
    poll(waiting_in(operation), [&] { return mark.reached(); });
  }

  /// Marks the last entry of the stream as the end of `operation`.
  std::shared_ptr<const QueuedOperation> queued(const std::string& operation) {
    auto last = std::make_shared<const QueuedOperation>(operation, stream_);
    queued_.push_back(last);
    return last;
  }

  /// Ends the operations up to `last` in the order of their starts, so the first that fails is named.
  void wait_through(const std::shared_ptr<const QueuedOperation>& last) {
    if (std::find(queued_.begin(), queued_.end(), last) == queued_.end()) return;
    for (bool is_last = false; !is_last; queued_.pop_front()) {
      const auto next = queued_.front();
      wait_for(next->end, next->operation);
      is_last = next == last;
    }
  }

 private:
  /// Takes the communicator that these ranks had before, if all of them still have it.
  bool take_from_pool() {
    const double token = pool_->token_for(place_.ranks);
    const std::vector<double> tokens = control_->all_gather({token});
    if (token == 0 || std::any_of(tokens.begin(), tokens.end(), [&](double other) { return other != token; }))
      return false;
    communicator_ = pool_->take(place_.ranks).communicator;
    token_ = token;
    return true;
  }

  void connect() {
    const std::string operation = "the start of NCCL";
    const auto [id, token] = share_id(*control_, *pool_);
    token_ = token;
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;  // so every wait is ours and can time out
    check(ncclCommInitRankConfig(&communicator_, control_->size(), id, control_->group_rank(), &config),
          operation);
    auto look = [&] { control_->throw_if_aborted(operation); };
    poll(Patience(operation, place_.connect_timeout_s, look, "connect_timeout_s"), [] { return true; });
    control_->meet(place_.connect_timeout_s);  // so no first operation waits for a rank still connecting
  }

  Patience waiting_in(const std::string& operation) {
    return {operation, place_.timeout_s, [this, operation] { control_->throw_if_aborted(operation); }};
  }

  template <typename Done>
  void poll(Patience waiting, const Done& done) {
    try {
      while (!is_quiet(waiting.operation()) || !done()) waiting.pause(-1);
    } catch (const std::exception& error) {
      fail(error.what());
      throw;
    }
  }

  /// Gives up the communicator; later operations say why.
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
  NcclPlace place_;
  std::shared_ptr<Pool> pool_;
  GpuStream stream_;
  int exceptions_at_start_;
  ncclComm_t communicator_ = nullptr;
  double token_ = 0;
  std::string failure_;                                        // why there is no communicator
  std::deque<std::shared_ptr<const QueuedOperation>> queued_;  // not yet waited for
};

/// One queued operation.
class NcclTransfer : public Transfer {
 public:
  NcclTransfer(std::shared_ptr<NcclGroup> group, const std::string& operation)
      : group_(std::move(group)), queued_(group_->queued(operation)) {}

  void wait() override {
    if (is_done_) return;
    group_->check_usable(queued_->operation);
    queued_->end.hold(GpuStream::current());
    group_->wait_through(queued_);
    is_done_ = true;
  }

 private:
  std::shared_ptr<NcclGroup> group_;
  std::shared_ptr<const QueuedOperation> queued_;
  bool is_done_ = false;
};

class NcclCollectives : public Collectives {
 public:
  NcclCollectives(std::unique_ptr<Collectives> control, NcclPlace place)
      : group_(std::make_shared<NcclGroup>(std::move(control), std::move(place))) {}

  int size() const override { return group_->control().size(); }
  int group_rank() const override { return group_->control().group_rank(); }

  void broadcast(at::Tensor& tensor, int root) override {
    check_float(tensor);
    queue(describe("broadcast", tensor.numel()), {tensor}, [&] {
      return ncclBroadcast(tensor.data_ptr(), tensor.data_ptr(), static_cast<size_t>(tensor.numel()),
                           ncclFloat, root, group_->communicator(), group_->stream().handle());
    })->wait();
  }

  void send(const at::Tensor& tensor, int to) override {
    check_float(tensor);
    queue(with_rank(describe("send", tensor.numel()), to), {tensor}, [&] {
      return ncclSend(tensor.data_ptr(), static_cast<size_t>(tensor.numel()), ncclFloat, to,
                      group_->communicator(), group_->stream().handle());
    })->wait();
  }

  void receive(at::Tensor& tensor, int from) override {
    check_float(tensor);
    queue(with_rank(describe("receive", tensor.numel()), from), {tensor}, [&] {
      return ncclRecv(tensor.data_ptr(), static_cast<size_t>(tensor.numel()), ncclFloat, from,
                      group_->communicator(), group_->stream().handle());
    })->wait();
  }

  std::vector<double> all_gather(const std::vector<double>& values) override {
    return group_->control().all_gather(values);
  }
  void barrier() override { group_->control().barrier(); }
  void meet(double timeout_s) override { group_->control().meet(timeout_s); }

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
  /// Queues what `calls` does on the group's stream, behind everything now queued on the current one.
  template <typename Calls>
  std::unique_ptr<Transfer> queue(const std::string& operation, const std::vector<at::Tensor>& tensors,
                                  const Calls& calls) {
    for (const at::Tensor& tensor : tensors) {
      ensure(is_on_gpu(tensor) && tensor.is_contiguous(), "NCCL moves contiguous tensors of the GPU");
      keep_memory_for(tensor, group_->stream());  // even if nobody waits
    }
    group_->check_usable(operation);
    GpuMark(GpuStream::current()).hold(group_->stream());
    const GpuStreamGuard guard(group_->stream());
    group_->check(calls(), operation);
    group_->wait_for_calls(operation);
    return std::make_unique<NcclTransfer>(group_, operation);
  }

  static char* bytes_of(const at::Tensor& tensor) { return static_cast<char*>(tensor.data_ptr()); }

  /// One call if all parts are equal, else a broadcast for each part.
  ncclResult_t gather(const at::Tensor& own, const at::Tensor& all, const Parts& parts) {
    const auto element = static_cast<int64_t>(own.element_size());
    bool is_even = true;
    for (int rank = 0; rank < size(); ++rank) is_even &= parts.count(rank) == parts.count(0);
    if (is_even) {
      return ncclAllGather(own.data_ptr(), all.data_ptr(), static_cast<size_t>(own.numel() * element),
                           ncclUint8, group_->communicator(), group_->stream().handle());
    }
    ncclResult_t result = ncclGroupStart();
    for (int root = 0; root < size() && !is_error(result); ++root) {
      char* part = bytes_of(all) + parts.offset(root) * element;
      result = ncclBroadcast(root == group_rank() ? bytes_of(own) : part, part,
                             static_cast<size_t>(parts.count(root) * element), ncclUint8, root,
                             group_->communicator(), group_->stream().handle());
    }
    return end_group(result);
  }

  static bool is_error(ncclResult_t result) { return result != ncclSuccess && result != ncclInProgress; }

  /// Ends the NCCL group, even after an error, which is then the result.
  static ncclResult_t end_group(ncclResult_t result) {
    const ncclResult_t ended = ncclGroupEnd();
    return is_error(result) ? result : ended;
  }

  /// Receives every rank's contribution to this rank's part and adds them along the tree.
  ncclResult_t add(const at::Tensor& all, const at::Tensor& own, const Parts& parts,
                   const std::string& operation) {
    const at::Tensor scratch = at::empty({size(), own.numel()}, own.options());
    const auto* source = all.data_ptr<float>();
    ncclResult_t result = ncclGroupStart();
    for (int peer = 0; peer < size() && !is_error(result); ++peer) {
      result = ncclSend(source + parts.offset(peer), static_cast<size_t>(parts.count(peer)), ncclFloat, peer,
                        group_->communicator(), group_->stream().handle());
      if (is_error(result)) break;
      result = ncclRecv(scratch.data_ptr<float>() + peer * own.numel(), static_cast<size_t>(own.numel()),
                        ncclFloat, peer, group_->communicator(), group_->stream().handle());
    }
    result = end_group(result);
    if (is_error(result)) return result;
    group_->wait_for_calls(operation);
    put_in_stream({scratch, own}, [ranks = size()](const std::vector<at::Tensor>& tensors) {
      add_rows(tensors[0], 0, ranks);
      tensors[1].view({-1}).copy_(tensors[0][0]);
    });
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

std::shared_ptr<NcclPool> make_nccl_pool(double end_timeout_s) {
  return std::make_shared<Pool>(end_timeout_s);
}

std::unique_ptr<Collectives> make_nccl_collectives(std::unique_ptr<Collectives> control,
                                                   const NcclPlace& place) {
  return std::make_unique<NcclCollectives>(std::move(control), place);
}

}  // namespace apportion
