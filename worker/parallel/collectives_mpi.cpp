// Collectives over MPI between the hosts' memories; see collectives.h. Uses only non-blocking calls and tests
// them with pauses in between: ranks that share cores must not spin, and a lost peer must not hang us for
// ever. transfers.cpp has gathers and sums; this file has MPI's messages, the node's board between processes,
// and the operations that MPI does itself.
#define OMPI_SKIP_MPICXX 1  // only the C interface
#include <ATen/core/Tensor.h>
#include <mpi.h>

#include <algorithm>
#include <exception>
#include <limits>
#include <numeric>
#include <optional>
#include <string>

#include "shared/base/error.h"
#include "worker/parallel/collectives.h"
#include "worker/parallel/parts.h"
#include "worker/parallel/transfers.h"

namespace apportion {

namespace {

/// MPI counts with int, so larger tensors go in parts of this many elements.
constexpr int64_t most_elements = int64_t{1} << 30;
constexpr int point_to_point_tag = 0;  // transfers use 1 to 30000
constexpr int abort_tag = 32767;       // the largest tag that every MPI has
constexpr size_t most_reason = 200;    // bytes

void check_code(int code, const std::string& operation, int world_rank) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int size = 0;
  MPI_Error_string(code, text, &size);
  throw RankError(world_rank, with_rank(operation, world_rank) + ": " + text);
}

class MpiMessenger : public Messenger {
 public:
  MpiMessenger(MPI_Comm communicator, std::vector<int> group)
      : communicator_(communicator), group_(std::move(group)) {}

  int64_t start_send(const PeerMessage& message, int tag) override {
    MPI_Request request = MPI_REQUEST_NULL;
    check_code(MPI_Isend(message.data, static_cast<int>(message.bytes), MPI_BYTE, message.peer, tag,
                         communicator_, &request),
               "a message", world_rank(message));
    return keep({request, message, false});
  }

  int64_t start_receive(const PeerMessage& message, int tag) override {
    MPI_Request request = MPI_REQUEST_NULL;
    check_code(MPI_Irecv(message.data, static_cast<int>(message.bytes), MPI_BYTE, message.peer, tag,
                         communicator_, &request),
               "a message", world_rank(message));
    return keep({request, message, true});
  }

  bool test(int64_t number) override {
    InFlight& entry = in_flight_[static_cast<size_t>(number)];
    int done = 0;
    MPI_Status status = {};
    check_code(MPI_Test(&entry.request, &done, &status), "a message", world_rank(entry.message));
    if (!done) return false;
    free_.push_back(number);
    int count = 0;
    MPI_Get_count(&status, MPI_BYTE, &count);
    if (entry.is_receive && count != entry.message.bytes) {
      throw RankError(world_rank(entry.message), "a message of " + std::to_string(count) +
                                                     " bytes came where " +
                                                     std::to_string(entry.message.bytes) + " were due");
    }
    return true;
  }

 private:
  struct InFlight {
    MPI_Request request = MPI_REQUEST_NULL;
    PeerMessage message;
    bool is_receive = false;
  };

  int world_rank(const PeerMessage& message) const { return group_[static_cast<size_t>(message.peer)]; }

  int64_t keep(const InFlight& entry) {
    if (free_.empty()) {
      free_.push_back(static_cast<int64_t>(in_flight_.size()));
      in_flight_.emplace_back();
    }
    const int64_t number = free_.back();
    free_.pop_back();
    in_flight_[static_cast<size_t>(number)] = entry;
    return number;
  }

  MPI_Comm communicator_;
  std::vector<int> group_;
  std::vector<InFlight> in_flight_;
  std::vector<int64_t> free_;
};

class MpiCollectives : public Collectives {
 public:
  MpiCollectives(const std::vector<int>& group, int tag, double timeout_s, NodeSharing sharing)
      : group_(group), timeout_s_(timeout_s), exceptions_at_start_(std::uncaught_exceptions()) {
    form_group(tag);
    TransferMeans means;
    means.rank = group_rank_;
    means.world_ranks = group_;
    means.timeout_s = timeout_s_;
    means.throw_if_aborted = [this](const std::string& operation) { throw_if_aborted(operation); };
    if (sharing == NodeSharing::used) means.board = open_board();
    means.node_ranks = node_ranks_;
    if (static_cast<int>(node_ranks_.size()) < size_) {
      means.driver = std::make_shared<ExchangeDriver>(std::make_shared<MpiMessenger>(communicator_, group_));
    }
    transfers_.emplace(std::move(means));
  }

  ~MpiCollectives() override {
    // While an exception unwinds, the other ranks may be elsewhere. An operation in flight still needs the
    // communicator.
    const bool is_quiet = transfers_->close() && !is_left_in_flight_;
    if (is_quiet && std::uncaught_exceptions() <= exceptions_at_start_) MPI_Comm_free(&communicator_);
  }

  int size() const override { return size_; }
  int group_rank() const override { return group_rank_; }

  void broadcast(at::Tensor& tensor, int root) override {
    check_tensor(tensor);
    throw_if_aborted(describe("broadcast", tensor.numel()));
    for_parts(tensor, [&](float* data, int count) {
      MPI_Request request = MPI_REQUEST_NULL;
      std::string operation = describe("broadcast", tensor.numel());
      check(MPI_Ibcast(data, count, MPI_FLOAT, root, communicator_, &request), operation, root);
      wait(request, operation, group_rank_ == root ? -1 : root);
    });
  }

  void send(const at::Tensor& tensor, int to) override {
    check_tensor(tensor);
    throw_if_aborted(describe("send", tensor.numel()));
    for_parts(tensor, [&](float* data, int count) {
      MPI_Request request = MPI_REQUEST_NULL;
      std::string operation = describe("send", tensor.numel());
      check(MPI_Isend(data, count, MPI_FLOAT, to, point_to_point_tag, communicator_, &request), operation,
            to);
      wait(request, operation, to);
    });
  }

  void receive(at::Tensor& tensor, int from) override {
    check_tensor(tensor);
    throw_if_aborted(describe("receive", tensor.numel()));
    for_parts(tensor, [&](float* data, int count) {
      MPI_Request request = MPI_REQUEST_NULL;
      std::string operation = describe("receive", tensor.numel());
      check(MPI_Irecv(data, count, MPI_FLOAT, from, point_to_point_tag, communicator_, &request), operation,
            from);
      int received = wait(request, operation, from, AfterTimeout::cancel);
      if (received != count) {
        throw RankError(world_rank(from), operation + ": " + std::to_string(received) + " numbers came");
      }
    });
  }

  std::vector<double> all_gather(const std::vector<double>& values) override {
    std::string operation = describe("all_gather", static_cast<int64_t>(values.size()));
    throw_if_aborted(operation);
    ensure(values.size() <= static_cast<size_t>(std::numeric_limits<int>::max()),
           "all_gather of fewer than 2^31 numbers");
    int own = static_cast<int>(values.size());
    std::vector<int> counts(static_cast<size_t>(size_));
    MPI_Request request = MPI_REQUEST_NULL;
    check(MPI_Iallgather(&own, 1, MPI_INT, counts.data(), 1, MPI_INT, communicator_, &request), operation,
          -1);
    wait(request, operation, -1);
    int64_t total = std::accumulate(counts.begin(), counts.end(), int64_t{0});
    ensure(total <= std::numeric_limits<int>::max(), "all_gather of fewer than 2^31 numbers");
    std::vector<int> offsets(counts.size());
    std::exclusive_scan(counts.begin(), counts.end(), offsets.begin(), 0);
    std::vector<double> all(static_cast<size_t>(total));
    check(MPI_Iallgatherv(values.data(), own, MPI_DOUBLE, all.data(), counts.data(), offsets.data(),
                          MPI_DOUBLE, communicator_, &request),
          operation, -1);
    wait(request, operation, -1);
    return all;
  }

  void barrier() override { meet("barrier", timeout_s_, "timeout_s"); }
  void meet(double timeout_s) override { meet("the meeting of a group", timeout_s, "connect_timeout_s"); }

  std::unique_ptr<Transfer> start_all_gather(const at::Tensor& own, const at::Tensor& all,
                                             const std::vector<int64_t>& counts) override {
    ensure(own.is_cpu(), "MPI moves tensors in host memory");
    return transfers_->start_all_gather(own, all, counts);
  }
  std::unique_ptr<Transfer> start_reduce_scatter(const at::Tensor& all, const at::Tensor& own,
                                                 const std::vector<int64_t>& counts) override {
    ensure(own.is_cpu(), "MPI moves tensors in host memory");
    return transfers_->start_reduce_scatter(all, own, counts);
  }
  std::unique_ptr<Transfer> start_all_reduce(const at::Tensor& tensor) override {
    ensure(tensor.is_cpu(), "MPI moves tensors in host memory");
    return transfers_->start_all_reduce(tensor);
  }

  void abort(const std::string& reason) override {
    if (aborted_by_ >= 0) return;
    aborted_by_ = group_rank_;
    reason_ = reason.substr(0, most_reason);
    transfers_->abort(reason_);
    // The text is never freed, as MPI may still read it.
    auto* text = new std::string(reason_);
    for (int peer = 0; peer < size_; ++peer) {
      MPI_Request request = MPI_REQUEST_NULL;
      if (peer == group_rank_ || MPI_Isend(text->data(), static_cast<int>(text->size()), MPI_CHAR, peer,
                                           abort_tag, communicator_, &request) != MPI_SUCCESS) {
        continue;
      }
      MPI_Request_free(&request);
    }
  }

  void throw_if_aborted(const std::string& operation) override {
    if (aborted_by_ < 0) look_for_abort();
    if (aborted_by_ < 0) return;
    const int rank = world_rank(aborted_by_);
    throw RankError(rank, operation + ": rank " + std::to_string(rank) + " aborted: " + reason_);
  }

  std::vector<int> node_ranks() const override { return node_ranks_; }
  at::Tensor allocate_shared(int64_t bytes) override { return transfers_->allocate_shared(bytes); }

 private:
  void meet(const std::string& operation, double timeout_s, const char* option) {
    throw_if_aborted(operation);
    MPI_Request request = MPI_REQUEST_NULL;
    check(MPI_Ibarrier(communicator_, &request), operation, -1);
    Patience waiting(
        operation, timeout_s, [&] { throw_if_aborted(operation); }, option);
    wait(request, waiting, -1);
  }

  void form_group(int tag) {
    MPI_Group world = MPI_GROUP_NULL;
    MPI_Group members = MPI_GROUP_NULL;
    check(MPI_Comm_group(MPI_COMM_WORLD, &world), "forming a group", -1);
    check(MPI_Group_incl(world, static_cast<int>(group_.size()), group_.data(), &members), "forming a group",
          -1);
    int code = MPI_Comm_create_group(MPI_COMM_WORLD, members, tag, &communicator_);
    MPI_Group_free(&members);
    MPI_Group_free(&world);
    check(code, "forming a group", -1);
    ensure(communicator_ != MPI_COMM_NULL, "only members of a group form it");
    MPI_Comm_set_errhandler(communicator_, MPI_ERRORS_RETURN);
    MPI_Comm_rank(communicator_, &group_rank_);
    MPI_Comm_size(communicator_, &size_);
    node_ranks_ = {group_rank_};
  }

  /// Returns the board of this node's ranks and sets node_ranks_. Null, and this rank alone, when it is alone
  /// or when a rank of the group cannot open another's memory.
  std::shared_ptr<NodeBoard> open_board() {
    MPI_Comm machine = MPI_COMM_NULL;
    check(MPI_Comm_split_type(communicator_, MPI_COMM_TYPE_SHARED, group_rank_, MPI_INFO_NULL, &machine),
          "finding the ranks of this machine", -1);
    int first = group_rank_;
    MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_INT, MPI_MIN, machine);
    MPI_Comm_free(&machine);
    const std::vector<double> firsts = all_gather({static_cast<double>(first)});
    std::vector<int> ranks, worlds;
    for (int rank = 0; rank < size_; ++rank) {
      if (static_cast<int>(firsts[static_cast<size_t>(rank)]) != first) continue;
      ranks.push_back(rank);
      worlds.push_back(world_rank(rank));
    }
    const auto own = std::find(ranks.begin(), ranks.end(), group_rank_) - ranks.begin();
    auto board = std::make_shared<NodeBoard>(worlds, static_cast<int>(own));
    const auto mine = board->handle();
    const std::vector<double> all =
        all_gather({static_cast<double>(mine.process), static_cast<double>(mine.descriptor)});
    std::vector<NodeBoard::Handle> handles;
    for (int rank : ranks) {
      const auto at = 2 * static_cast<size_t>(rank);
      handles.push_back({static_cast<int64_t>(all[at]), static_cast<int64_t>(all[at + 1])});
    }
    const std::vector<double> opened = all_gather({board->open(handles) ? 1.0 : 0.0});
    if (std::count(opened.begin(), opened.end(), 1.0) < size_ || ranks.size() == 1) return nullptr;
    node_ranks_ = ranks;
    return board;
  }

  void look_for_abort() {
    int is_there = 0;
    MPI_Status status = {};
    check(MPI_Iprobe(MPI_ANY_SOURCE, abort_tag, communicator_, &is_there, &status), "looking for an abort",
          -1);
    if (!is_there) return;
    std::string text(most_reason, ' ');
    int count = 0;
    MPI_Get_count(&status, MPI_CHAR, &count);
    check(MPI_Recv(text.data(), count, MPI_CHAR, status.MPI_SOURCE, abort_tag, communicator_,
                   MPI_STATUS_IGNORE),
          "receiving an abort", status.MPI_SOURCE);
    text.resize(static_cast<size_t>(count));
    aborted_by_ = status.MPI_SOURCE;
    reason_ = text;
  }

  static void check_tensor(const at::Tensor& tensor) {
    ensure(tensor.is_cpu() && tensor.is_contiguous() && tensor.scalar_type() == at::kFloat,
           "tensors between ranks are contiguous float32 in host memory");
  }

  /// Calls `move(data, count)` for each part of the tensor; once with count 0 for an empty tensor.
  template <typename Move>
  static void for_parts(const at::Tensor& tensor, const Move& move) {
    float* data = tensor.data_ptr<float>();
    int64_t begin = 0;
    do {
      int64_t count = std::min(most_elements, tensor.numel() - begin);
      move(data + begin, static_cast<int>(count));
      begin += count;
    } while (begin < tensor.numel());
  }

  int world_rank(int peer) const { return peer < 0 ? -1 : group_[static_cast<size_t>(peer)]; }

  void check(int code, const std::string& operation, int peer) const {
    check_code(code, operation, world_rank(peer));
  }

  /// MPI can cancel a receive, so its buffer may be freed. Other operations stay in flight: a rank ends when
  /// it meets a time-out.
  enum class AfterTimeout { leave, cancel };

  /// Waits until the operation is complete and returns the number of floats received. `peer` (group rank) is
  /// -1 if we do not know whom we wait for.
  int wait(MPI_Request request, const std::string& operation, int peer,
           AfterTimeout after = AfterTimeout::leave) {
    Patience waiting(operation, timeout_s_, [&] { throw_if_aborted(operation); });
    return wait(request, waiting, peer, after);
  }

  int wait(MPI_Request request, Patience& waiting, int peer, AfterTimeout after = AfterTimeout::leave) {
    MPI_Status status = {};
    for (int done = 0;;) {
      check(MPI_Test(&request, &done, &status), waiting.operation(), peer);
      if (done) break;
      try {
        waiting.pause(world_rank(peer));
      } catch (const RankError&) {
        if (after == AfterTimeout::cancel) {
          MPI_Cancel(&request);
          MPI_Wait(&request, MPI_STATUS_IGNORE);
        } else {
          is_left_in_flight_ = true;
        }
        throw;
      }
    }
    int count = 0;
    MPI_Get_count(&status, MPI_FLOAT, &count);
    return count;
  }

  std::vector<int> group_;
  double timeout_s_;
  int exceptions_at_start_;
  MPI_Comm communicator_ = MPI_COMM_NULL;
  int group_rank_ = 0, size_ = 1;
  std::vector<int> node_ranks_;
  bool is_left_in_flight_ = false;
  int aborted_by_ = -1;  // group rank
  std::string reason_;
  std::optional<Transfers> transfers_;
};

}  // namespace

std::unique_ptr<Collectives> make_mpi_collectives(const std::vector<int>& group, int tag, double timeout_s,
                                                  NodeSharing sharing) {
  return std::make_unique<MpiCollectives>(group, tag, timeout_s, sharing);
}

}  // namespace apportion
