// Collectives of a group of one rank: every operation is the identity. See collectives.h.
#include <ATen/ATen.h>

#include <memory>

#include "shared/base/error.h"
#include "worker/parallel/collectives.h"
#include "worker/parallel/parts.h"

namespace apportion {

namespace {

class DoneTransfer : public Transfer {
 public:
  void wait() override {}
};

class LocalCollectives : public Collectives {
 public:
  int size() const override { return 1; }
  int group_rank() const override { return 0; }

  void broadcast(at::Tensor&, int root) override { ensure(root == 0, "a group of one has only rank 0"); }
  void send(const at::Tensor&, int) override { throw InternalError("a group of one sends to nobody"); }
  void receive(at::Tensor&, int) override { throw InternalError("a group of one receives from nobody"); }
  std::vector<double> all_gather(const std::vector<double>& values) override { return values; }
  void barrier() override { throw_if_aborted("barrier"); }
  void meet(double /*timeout_s*/) override { throw_if_aborted("the meeting of a group"); }

  std::unique_ptr<Transfer> start_all_gather(const at::Tensor& own, const at::Tensor& all,
                                             const std::vector<int64_t>& counts) override {
    return copy(own, all, counts, "all_gather");
  }

  std::unique_ptr<Transfer> start_reduce_scatter(const at::Tensor& all, const at::Tensor& own,
                                                 const std::vector<int64_t>& counts) override {
    check_float(all);
    return copy(all, own, counts, "reduce_scatter");
  }

  std::unique_ptr<Transfer> start_all_reduce(const at::Tensor& tensor) override {
    check_float(tensor);
    throw_if_aborted(describe("all_reduce", tensor.numel()));
    return std::make_unique<DoneTransfer>();
  }

  void abort(const std::string& reason) override {
    if (!is_aborted_) reason_ = reason;
    is_aborted_ = true;
  }

  void throw_if_aborted(const std::string& operation) override {
    if (is_aborted_) throw RankError(0, operation + ": rank 0 aborted: " + reason_);
  }

  std::vector<int> node_ranks() const override { return {0}; }
  at::Tensor allocate_shared(int64_t bytes) override { return at::zeros({bytes}, at::kByte); }

 private:
  std::unique_ptr<Transfer> copy(const at::Tensor& from, const at::Tensor& to,
                                 const std::vector<int64_t>& counts, const char* name) {
    const Parts parts(counts);
    check_parts(from, to, parts, 1, 0);
    throw_if_aborted(describe(name, parts.total()));
    if (from.data_ptr() != to.data_ptr()) to.view({-1}).copy_(from.view({-1}));
    return std::make_unique<DoneTransfer>();
  }

  bool is_aborted_ = false;
  std::string reason_;
};

}  // namespace

std::unique_ptr<Collectives> make_local_collectives() { return std::make_unique<LocalCollectives>(); }

}  // namespace apportion
