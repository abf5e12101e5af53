// Collectives of one process that plays one rank of a group that does not exist; see PretendCollectives.
// Times are those of a ring, or of pairwise messages, on links that carry bytes_per_s each way. P is the
// number of ranks, o the bytes of the own part, A the bytes of all parts together, l the latency of a
// message:
//   all_gather      (P - 1) l + (A - o) / bytes_per_s
//   reduce_scatter  (P - 1) l + (P - 1) o / bytes_per_s
//   all_reduce      2 (P - 1) l + 2 A (P - 1) / P / bytes_per_s
//   broadcast       ceil(log2 P) l + A / bytes_per_s (pipelined), barrier without the bytes
//   send, receive   l + A / bytes_per_s
#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <numeric>

#include "shared/base/error.h"
#include "worker/parallel/collectives.h"
#include "worker/parallel/parts.h"

namespace apportion {
namespace {

class PretendedTransfer : public Transfer {
 public:
  void wait() override {}
};

/// As one dimension, even for tensors without elements.
at::Tensor flat(const at::Tensor& tensor) { return tensor.reshape({tensor.numel()}); }

class Pretend : public PretendCollectives {
 public:
  explicit Pretend(const PretendedGroup& group) : group_(group) {
    ensure(group.ranks >= 1 && group.rank >= 0 && group.rank < group.ranks && group.ranks_per_node >= 1,
           "a pretended rank is one of its group");
    ensure(group.bytes_per_s > 0 && group.latency_s >= 0, "pretended links move bytes");
  }

  int size() const override { return group_.ranks; }
  int group_rank() const override { return group_.rank; }
  double pretended_seconds() const override { return seconds_; }
  int64_t pretended_bytes() const override { return bytes_; }

  void broadcast(at::Tensor& tensor, int root) override {
    check_float(tensor);
    check_peer(root);
    throw_if_aborted(describe("broadcast", tensor.numel()));
    const double bytes = size() == 1 ? 0 : byte_size(tensor, tensor.numel());
    account(hops(), bytes, root == group_.rank ? 0 : bytes);
  }

  void send(const at::Tensor& tensor, int to) override {
    check_float(tensor);
    check_peer(to);
    throw_if_aborted(describe("send", tensor.numel()));
    account(1, byte_size(tensor, tensor.numel()), 0);
  }

  void receive(at::Tensor& tensor, int from) override {
    check_float(tensor);
    check_peer(from);
    throw_if_aborted(describe("receive", tensor.numel()));
    if (!tensor.is_meta()) tensor.zero_();
    const double bytes = byte_size(tensor, tensor.numel());
    account(1, bytes, bytes);
  }

  std::vector<double> all_gather(const std::vector<double>& values) override {
    throw_if_aborted(describe("all_gather", static_cast<int64_t>(values.size())));
    std::vector<double> all;
    for (int rank = 0; rank < size(); ++rank) all.insert(all.end(), values.begin(), values.end());
    const double bytes = static_cast<double>(values.size() * sizeof(double)) * (size() - 1);
    account(size() - 1, bytes, bytes);
    return all;
  }

  void barrier() override {
    throw_if_aborted("barrier");
    account(hops(), 0, 0);
  }
  void meet(double /*timeout_s*/) override { barrier(); }

  std::unique_ptr<Transfer> start_all_gather(const at::Tensor& own, const at::Tensor& all,
                                             const std::vector<int64_t>& counts) override {
    const Parts parts(counts);
    check_parts(own, all, parts, size(), group_.rank);
    throw_if_aborted(describe("all_gather", parts.total()));
    const double bytes = byte_size(own, parts.total() - own.numel());
    account(size() - 1, bytes, bytes);
    if (!own.is_meta()) fill(own, all, parts);
    return std::make_unique<PretendedTransfer>();
  }

  std::unique_ptr<Transfer> start_reduce_scatter(const at::Tensor& all, const at::Tensor& own,
                                                 const std::vector<int64_t>& counts) override {
    const Parts parts(counts);
    check_float(all);
    check_parts(own, all, parts, size(), group_.rank);
    throw_if_aborted(describe("reduce_scatter", parts.total()));
    const double bytes = byte_size(own, own.numel()) * (size() - 1);
    account(size() - 1, bytes, bytes);
    if (!own.is_meta()) flat(own).copy_(flat(all).narrow(0, parts.offset(group_.rank), own.numel()));
    return std::make_unique<PretendedTransfer>();
  }

  std::unique_ptr<Transfer> start_all_reduce(const at::Tensor& tensor) override {
    check_float(tensor);
    throw_if_aborted(describe("all_reduce", tensor.numel()));
    const double bytes = 2 * byte_size(tensor, tensor.numel()) * (size() - 1) / size();
    account(2 * (size() - 1), bytes, bytes);
    return std::make_unique<PretendedTransfer>();
  }

  void abort(const std::string& reason) override {
    if (!is_aborted_) reason_ = reason;
    is_aborted_ = true;
  }

  void throw_if_aborted(const std::string& operation) override {
    if (!is_aborted_) return;
    const std::string rank = std::to_string(group_.rank);
    throw RankError(group_.rank, operation + ": rank " + rank + " aborted: " + reason_);
  }

  std::vector<int> node_ranks() const override {
    const int first = group_.rank / group_.ranks_per_node * group_.ranks_per_node;
    std::vector<int> ranks(static_cast<size_t>(std::min(group_.ranks_per_node, size() - first)));
    std::iota(ranks.begin(), ranks.end(), first);
    return ranks;
  }

  at::Tensor allocate_shared(int64_t bytes) override { return at::zeros({bytes}, at::kByte); }

 private:
  void check_peer(int rank) const { ensure(rank >= 0 && rank < size(), "a peer is a rank of the group"); }
  int hops() const { return std::bit_width(static_cast<unsigned>(size() - 1)); }

  static double byte_size(const at::Tensor& like, int64_t elements) {
    return static_cast<double>(elements) * static_cast<double>(like.element_size());
  }

  void account(int messages, double bytes, double received) {
    seconds_ += messages * group_.latency_s + bytes / group_.bytes_per_s;
    bytes_ += static_cast<int64_t>(received);
  }

  static void fill(const at::Tensor& own, const at::Tensor& all, const Parts& parts) {
    const at::Tensor source = flat(own), target = flat(all);
    for (int rank = 0; rank < parts.size(); ++rank) {
      const at::Tensor part = target.narrow(0, parts.offset(rank), parts.count(rank));
      if (source.numel() == 0) part.zero_();
      for (int64_t done = 0; source.numel() > 0 && done < part.numel(); done += source.numel()) {
        const int64_t count = std::min(source.numel(), part.numel() - done);
        const at::Tensor piece = part.narrow(0, done, count);
        if (piece.data_ptr() != source.data_ptr()) piece.copy_(source.narrow(0, 0, count));
      }
    }
  }

  PretendedGroup group_;
  double seconds_ = 0;
  int64_t bytes_ = 0;
  bool is_aborted_ = false;
  std::string reason_;
};

}  // namespace

std::unique_ptr<PretendCollectives> make_pretend_collectives(const PretendedGroup& group) {
  return std::make_unique<Pretend>(group);
}

}  // namespace apportion
