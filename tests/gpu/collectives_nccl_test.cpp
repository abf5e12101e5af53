// The conformance suite of collectives over NCCL: one rank per GPU, started by tests/gpu/run.sh. The suite's
// tensors are in host memory, so each operation here goes to the GPU and back. It runs only on GPUs;
// elsewhere it is only compiled and linked, like the form itself.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/mpi_main.h"
#include "tests/support/worker/collectives_suite.h"
#include "worker/device.h"
#include "worker/parallel/collectives.h"

namespace apportion {
namespace {

/// A started operation and where its result goes. NCCL meets its peers when an operation starts, so what that
/// throws is thrown by wait() instead, where the suite expects it.
struct Staged {
  std::unique_ptr<Transfer> transfer;
  std::exception_ptr failure;
  at::Tensor on_gpu, result;
  std::weak_ptr<Staged> before;

  void wait() {
    if (const auto earlier = before.lock()) earlier->wait();
    before.reset();
    if (failure) std::rethrow_exception(failure);
    if (!transfer) return;
    transfer->wait();
    transfer.reset();
    result.copy_(on_gpu);
  }
};

class StagedTransfer : public Transfer {
 public:
  explicit StagedTransfer(std::shared_ptr<Staged> staged) : staged_(std::move(staged)) {}
  void wait() override { staged_->wait(); }

 private:
  std::shared_ptr<Staged> staged_;
};

/// NCCL for tensors in host memory.
class StagedCollectives : public Collectives {
 public:
  StagedCollectives(std::unique_ptr<Collectives> nccl, at::Device device)
      : nccl_(std::move(nccl)), device_(device) {}

  int size() const override { return nccl_->size(); }
  int group_rank() const override { return nccl_->group_rank(); }
  void broadcast(at::Tensor& tensor, int root) override {
    at::Tensor there = tensor.to(device_);
    nccl_->broadcast(there, root);
    tensor.copy_(there);
  }
  void send(const at::Tensor& tensor, int to) override { nccl_->send(tensor.to(device_), to); }
  void receive(at::Tensor& tensor, int from) override {
    at::Tensor there = tensor.to(device_);
    nccl_->receive(there, from);
    tensor.copy_(there);
  }
  std::vector<double> all_gather(const std::vector<double>& values) override {
    return nccl_->all_gather(values);
  }
  void barrier() override { nccl_->barrier(); }
  void meet(double timeout_s) override { nccl_->meet(timeout_s); }

  std::unique_ptr<Transfer> start_all_gather(const at::Tensor& own, const at::Tensor& all,
                                             const std::vector<int64_t>& counts) override {
    return start(all, [&](const at::Tensor& there) {
      return nccl_->start_all_gather(own.to(device_), there, counts);
    });
  }
  std::unique_ptr<Transfer> start_reduce_scatter(const at::Tensor& all, const at::Tensor& own,
                                                 const std::vector<int64_t>& counts) override {
    return start(own, [&](const at::Tensor& there) {
      return nccl_->start_reduce_scatter(all.to(device_), there, counts);
    });
  }
  std::unique_ptr<Transfer> start_all_reduce(const at::Tensor& tensor) override {
    return start(tensor, [&](const at::Tensor& there) { return nccl_->start_all_reduce(there); });
  }

  void abort(const std::string& reason) override { nccl_->abort(reason); }
  void throw_if_aborted(const std::string& operation) override { nccl_->throw_if_aborted(operation); }
  std::vector<int> node_ranks() const override { return nccl_->node_ranks(); }
  at::Tensor allocate_shared(int64_t bytes) override { return nccl_->allocate_shared(bytes); }

 private:
  template <typename Call>
  std::unique_ptr<Transfer> start(const at::Tensor& result, const Call& call) {
    auto staged = std::make_shared<Staged>();
    staged->on_gpu = result.to(device_);
    staged->result = result;
    staged->before = last_;
    try {
      staged->transfer = call(staged->on_gpu);
    } catch (const RankError&) {
      staged->failure = std::current_exception();
    }
    last_ = staged;
    return std::make_unique<StagedTransfer>(staged);
  }

  std::unique_ptr<Collectives> nccl_;
  at::Device device_;
  std::weak_ptr<Staged> last_;
};

/// A new tag for each forming of a group; all ranks count alike.
int next_tag() {
  static int tag = 100;
  return ++tag;
}

CollectivesForm nccl_form() {
  auto run = [](double timeout_s, const RankCheck& check) {
    // A communicator takes seconds to form; the suite's half second would cut that short.
    constexpr double least_timeout_s = 5, patient_timeout_s = 50;
    timeout_s = std::max(timeout_s, least_timeout_s);
    std::vector<int> ranks(static_cast<size_t>(test_ranks().size()));
    std::iota(ranks.begin(), ranks.end(), 0);
    const at::Device device = compute_device(test_ranks().local_rank());
    auto control = make_mpi_collectives(ranks, next_tag(), timeout_s);
    static const auto pool = make_nccl_pool(least_timeout_s);  // shared by all checks
    StagedCollectives group(
        make_nccl_collectives(std::move(control), {pool, ranks, patient_timeout_s, timeout_s}), device);
    check(group);
  };
  return {"nccl", [] { return test_ranks().size(); }, run};
}

INSTANTIATE_TEST_SUITE_P(Nccl, CollectivesSuite, testing::Values(nccl_form()),
                         [](const auto& form) { return form.param.name; });

}  // namespace
}  // namespace apportion
