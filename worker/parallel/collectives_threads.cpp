// Collectives of ranks that are threads of one process, for tests: the logic of transfers.cpp with a board in
// plain memory and, between pretended nodes, messages through a post office. See collectives.h.
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <numeric>
#include <tuple>
#include <utility>

#include "shared/base/error.h"
#include "worker/parallel/collectives.h"
#include "worker/parallel/parts.h"
#include "worker/parallel/transfers.h"

namespace apportion {
namespace {

constexpr size_t most_reason = 200;  // bytes
constexpr int send_tag = 0;
constexpr int collective_tag = std::numeric_limits<int>::max();  // transfers use the tags between

/// What all ranks of a group share.
struct PostOffice {
  struct Envelope {
    std::vector<std::byte> bytes;
    bool is_taken = false;
  };
  /// The k-th receive of a channel gets its k-th message, as in MPI.
  struct Channel {
    uint64_t sent = 0, asked = 0;
    std::map<uint64_t, std::shared_ptr<Envelope>> waiting;
  };
  std::mutex mutex;
  std::map<std::tuple<int, int, int>, Channel> channels;  // by sender, receiver and tag
  int aborted_by = -1;
  std::string reason;
};

class PostMessenger : public Messenger {
 public:
  PostMessenger(std::shared_ptr<PostOffice> office, int rank) : office_(std::move(office)), rank_(rank) {}

  int64_t start_send(const PeerMessage& message, int tag) override {
    std::lock_guard lock(office_->mutex);
    PostOffice::Channel& channel = office_->channels[{rank_, message.peer, tag}];
    auto envelope = std::make_shared<PostOffice::Envelope>();
    envelope->bytes.assign(message.data, message.data + message.bytes);
    channel.waiting[channel.sent++] = envelope;
    sends_[++last_] = std::move(envelope);
    return last_;
  }

  int64_t start_receive(const PeerMessage& message, int tag) override {
    std::lock_guard lock(office_->mutex);
    receives_[++last_] = {message, tag, office_->channels[{message.peer, rank_, tag}].asked++};
    return last_;
  }

  bool test(int64_t number) override {
    std::lock_guard lock(office_->mutex);
    if (const auto sent = sends_.find(number); sent != sends_.end()) {
      if (!sent->second->is_taken) return false;
      sends_.erase(sent);
      return true;
    }
    const Receive& receive = receives_.at(number);
    auto& waiting = office_->channels[{receive.message.peer, rank_, receive.tag}].waiting;
    const auto found = waiting.find(receive.index);
    if (found == waiting.end()) return false;
    const auto& bytes = found->second->bytes;
    if (static_cast<int64_t>(bytes.size()) != receive.message.bytes) {
      throw RankError(receive.message.peer, "a message of " + std::to_string(bytes.size()) +
                                                " bytes came where " + std::to_string(receive.message.bytes) +
                                                " were due");
    }
    if (!bytes.empty()) std::memcpy(receive.message.data, bytes.data(), bytes.size());
    found->second->is_taken = true;
    waiting.erase(found);
    receives_.erase(number);
    return true;
  }

 private:
  struct Receive {
    PeerMessage message;
    int tag = 0;
    uint64_t index = 0;
  };

  std::shared_ptr<PostOffice> office_;
  int rank_;
  int64_t last_ = 0;
  std::map<int64_t, std::shared_ptr<PostOffice::Envelope>> sends_;
  std::map<int64_t, Receive> receives_;
};

class ThreadsCollectives : public Collectives {
 public:
  ThreadsCollectives(std::shared_ptr<PostOffice> office, TransferMeans means)
      : office_(std::move(office)),
        rank_(means.rank),
        ranks_(means.ranks()),
        node_ranks_(means.node_ranks),
        timeout_s_(means.timeout_s),
        messages_(office_, rank_),
        transfers_(with_abort(std::move(means))) {}

  int size() const override { return ranks_; }
  int group_rank() const override { return rank_; }

  void broadcast(at::Tensor& tensor, int root) override {
    check_float(tensor);
    const std::string operation = describe("broadcast", tensor.numel());
    if (rank_ != root) return move({message_of(tensor, root)}, {}, collective_tag, operation);
    std::vector<PeerMessage> sends;
    for (int peer = 0; peer < ranks_; ++peer) {
      if (peer != root) sends.push_back(message_of(tensor, peer));
    }
    move({}, sends, collective_tag, operation);
  }

  void send(const at::Tensor& tensor, int to) override {
    check_float(tensor);
    move({}, {message_of(tensor, to)}, send_tag, describe("send", tensor.numel()));
  }

  void receive(at::Tensor& tensor, int from) override {
    check_float(tensor);
    move({message_of(tensor, from)}, {}, send_tag, describe("receive", tensor.numel()));
  }

  std::vector<double> all_gather(const std::vector<double>& values) override {
    return gather_values(values, describe("all_gather", static_cast<int64_t>(values.size())), {timeout_s_});
  }

  void barrier() override { gather_values({}, "barrier", {timeout_s_}); }
  void meet(double timeout_s) override {
    gather_values({}, "the meeting of a group", {timeout_s, "connect_timeout_s"});
  }

  std::unique_ptr<Transfer> start_all_gather(const at::Tensor& own, const at::Tensor& all,
                                             const std::vector<int64_t>& counts) override {
    return transfers_.start_all_gather(own, all, counts);
  }
  std::unique_ptr<Transfer> start_reduce_scatter(const at::Tensor& all, const at::Tensor& own,
                                                 const std::vector<int64_t>& counts) override {
    return transfers_.start_reduce_scatter(all, own, counts);
  }
  std::unique_ptr<Transfer> start_all_reduce(const at::Tensor& tensor) override {
    return transfers_.start_all_reduce(tensor);
  }

  void abort(const std::string& reason) override {
    std::lock_guard lock(office_->mutex);
    if (office_->aborted_by >= 0) return;
    office_->aborted_by = rank_;
    office_->reason = reason.substr(0, most_reason);
    transfers_.abort(office_->reason);
  }

  void throw_if_aborted(const std::string& operation) override { throw_if_aborted_at(*office_, operation); }

  std::vector<int> node_ranks() const override { return node_ranks_; }
  at::Tensor allocate_shared(int64_t bytes) override { return transfers_.allocate_shared(bytes); }

 private:
  struct Limit {
    double seconds;
    const char* option = "timeout_s";
  };

  static void throw_if_aborted_at(PostOffice& office, const std::string& operation) {
    std::lock_guard lock(office.mutex);
    if (office.aborted_by < 0) return;
    throw RankError(office.aborted_by,
                    operation + ": rank " + std::to_string(office.aborted_by) + " aborted: " + office.reason);
  }

  TransferMeans with_abort(TransferMeans means) const {
    means.throw_if_aborted = [office = office_](const std::string& operation) {
      throw_if_aborted_at(*office, operation);
    };
    return means;
  }

  static PeerMessage message_of(const at::Tensor& tensor, int peer) {
    return {peer, static_cast<std::byte*>(tensor.data_ptr()), static_cast<int64_t>(tensor.nbytes())};
  }

  void move(const std::vector<PeerMessage>& receives, const std::vector<PeerMessage>& sends, int tag,
            const std::string& operation) {
    move(receives, sends, tag, operation, {timeout_s_});
  }

  void move(const std::vector<PeerMessage>& receives, const std::vector<PeerMessage>& sends, int tag,
            const std::string& operation, const Limit& limit) {
    throw_if_aborted(operation);
    std::vector<std::pair<int64_t, int>> in_flight;
    for (const PeerMessage& message : receives)
      in_flight.emplace_back(messages_.start_receive(message, tag), message.peer);
    for (const PeerMessage& message : sends)
      in_flight.emplace_back(messages_.start_send(message, tag), message.peer);
    Patience waiting(
        operation, limit.seconds, [&] { throw_if_aborted(operation); }, limit.option);
    for (const auto& [number, peer] : in_flight) {
      while (!messages_.test(number)) waiting.pause(peer);
    }
  }

  std::vector<double> gather_values(const std::vector<double>& values, const std::string& operation,
                                    const Limit& limit) {
    const auto ranks = static_cast<size_t>(ranks_);
    auto bytes = [](auto& list) {
      return std::pair(reinterpret_cast<std::byte*>(list.data()),
                       static_cast<int64_t>(list.size() * sizeof(list[0])));
    };
    std::vector<int64_t> own_size = {static_cast<int64_t>(values.size())}, sizes(ranks);
    std::vector<double> own = values;
    std::vector<std::vector<double>> parts(ranks);
    auto exchange = [&](auto part_of, auto& mine) {
      std::vector<PeerMessage> receives, sends;
      for (int peer = 0; peer < ranks_; ++peer) {
        if (peer == rank_) continue;
        const auto [data, size] = part_of(static_cast<size_t>(peer));
        receives.push_back({peer, data, size});
        sends.push_back({peer, bytes(mine).first, bytes(mine).second});
      }
      move(receives, sends, collective_tag, operation, limit);
    };
    exchange([&](size_t peer) { return std::pair(reinterpret_cast<std::byte*>(&sizes[peer]), int64_t{8}); },
             own_size);
    for (size_t peer = 0; peer < ranks; ++peer) parts[peer].resize(static_cast<size_t>(sizes[peer]));
    exchange([&](size_t peer) { return bytes(parts[peer]); }, own);
    parts[static_cast<size_t>(rank_)] = values;
    std::vector<double> all;
    for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
    return all;
  }

  std::shared_ptr<PostOffice> office_;
  int rank_, ranks_;
  std::vector<int> node_ranks_;
  double timeout_s_;
  PostMessenger messages_;
  Transfers transfers_;
};

}  // namespace

std::vector<std::unique_ptr<Collectives>> make_threads_collectives(int ranks, int ranks_per_node,
                                                                   double timeout_s) {
  ensure(ranks >= 1 && ranks_per_node >= 1, "a group and its nodes have ranks");
  auto office = std::make_shared<PostOffice>();
  std::vector<std::unique_ptr<Collectives>> group;
  TransferMeans means;
  means.timeout_s = timeout_s;
  means.world_ranks.resize(static_cast<size_t>(ranks));
  std::iota(means.world_ranks.begin(), means.world_ranks.end(), 0);
  for (int first = 0; first < ranks; first += ranks_per_node) {
    means.node_ranks.resize(static_cast<size_t>(std::min(ranks_per_node, ranks - first)));
    std::iota(means.node_ranks.begin(), means.node_ranks.end(), first);
    const auto boards = NodeBoard::of_threads(means.node_ranks);
    for (size_t i = 0; i < boards.size(); ++i) {
      means.rank = first + static_cast<int>(i);
      means.board = boards.size() > 1 ? boards[i] : nullptr;
      means.driver =
          ranks_per_node < ranks
              ? std::make_shared<ExchangeDriver>(std::make_shared<PostMessenger>(office, means.rank))
              : nullptr;
      group.push_back(std::make_unique<ThreadsCollectives>(office, means));
    }
  }
  return group;
}

}  // namespace apportion
