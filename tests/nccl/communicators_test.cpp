// How groups over NCCL begin and end: communicators are reused, finalized at the end, and aborted only after
// a failure, after the hosts.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <mutex>
#include <thread>
#include <utility>

#include "shared/base/error.h"
#include "tests/support/pretend_nccl/pretend_ranks.h"
#include "tests/support/worker/rank_numbers.h"
#include "worker/gpu/stream.h"

namespace apportion {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// The ranks' exchanges outside NCCL; `before` is called with each exchange's name, and may throw.
class WatchedControl : public Collectives {
 public:
  using Before = std::function<void(const std::string& what, int rank)>;
  WatchedControl(std::unique_ptr<Collectives> control, Before before)
      : control_(std::move(control)), before_(std::move(before)) {}

  int size() const override { return control_->size(); }
  int group_rank() const override { return control_->group_rank(); }
  void broadcast(at::Tensor& /*tensor*/, int /*root*/) override { FAIL(); }
  void send(const at::Tensor& /*tensor*/, int /*to*/) override { FAIL(); }
  void receive(at::Tensor& /*tensor*/, int /*from*/) override { FAIL(); }
  std::vector<double> all_gather(const std::vector<double>& values) override {
    before_("all_gather", group_rank());
    return control_->all_gather(values);
  }
  void barrier() override {
    control_->barrier();
    before_("behind the barrier", group_rank());
  }
  void meet(double timeout_s) override {
    before_("meet", group_rank());
    control_->meet(timeout_s);
  }
  std::unique_ptr<Transfer> start_all_gather(const at::Tensor& /*own*/, const at::Tensor& /*all*/,
                                             const std::vector<int64_t>& /*counts*/) override {
    throw InternalError("tensors go over NCCL");
  }
  std::unique_ptr<Transfer> start_reduce_scatter(const at::Tensor& /*all*/, const at::Tensor& /*own*/,
                                                 const std::vector<int64_t>& /*counts*/) override {
    throw InternalError("tensors go over NCCL");
  }
  std::unique_ptr<Transfer> start_all_reduce(const at::Tensor& /*tensor*/) override {
    throw InternalError("tensors go over NCCL");
  }
  void abort(const std::string& reason) override {
    before_("host abort", group_rank());
    control_->abort(reason);
  }
  void throw_if_aborted(const std::string& operation) override {
    try {
      control_->throw_if_aborted(operation);
    } catch (...) {
      before_("host abort seen", group_rank());
      throw;
    }
  }
  std::vector<int> node_ranks() const override { return control_->node_ranks(); }
  at::Tensor allocate_shared(int64_t bytes) override { return control_->allocate_shared(bytes); }

 private:
  std::unique_ptr<Collectives> control_;
  Before before_;
};

PretendRun watched(int ranks, const WatchedControl::Before& before) {
  PretendRun run;
  run.ranks = ranks;
  run.around_control = [before](std::unique_ptr<Collectives> control) {
    return std::make_unique<WatchedControl>(std::move(control), before);
  };
  return run;
}

/// An all_reduce whose result every rank knows.
void use(Collectives& group) {
  const at::Tensor tensor = at::full({100}, group.group_rank() + 1.0);
  group.all_reduce(tensor);
  EXPECT_EQ(tensor.sum().item<double>(), 50.0 * group.size() * (group.size() + 1));
}

TEST(NcclCommunicators, GroupsOfTheSameRanksUseOneCommunicator) {
  PretendRun run;
  run.ranks = 3;
  run.groups = 4;
  const PretendOutcome outcome = run_pretend_ranks(run, [](PretendRank& rank) {
    for (int group = 0; group < 4; ++group) use(*rank.form());
  });
  EXPECT_THAT(outcome.faults, IsEmpty());
  EXPECT_EQ(outcome.counts.made, 3);
  EXPECT_EQ(outcome.counts.destroyed, 3);
  EXPECT_EQ(outcome.counts.aborted, 0);
}

TEST(NcclCommunicators, WhereARankHasLostItsOwnAllMakeANewOne) {
  PretendRun run;
  run.ranks = 2;
  run.groups = 3;
  run.end_timeout_s = 1;  // the old group's other half is gone
  const PretendOutcome outcome = run_pretend_ranks(run, [](PretendRank& rank) {
    use(*rank.form());
    if (rank.rank == 1) {
      rank.form = [form = rank.form, &rank, pool = make_nccl_pool(50)] {
        rank.pool = pool;
        return form();
      };
    }
    use(*rank.form());
    use(*rank.form());
  });
  EXPECT_THAT(outcome.faults, IsEmpty());
  EXPECT_EQ(outcome.counts.made, 4);
  EXPECT_EQ(outcome.counts.destroyed, 2);
  EXPECT_EQ(outcome.counts.aborted, 2);
  EXPECT_EQ(outcome.counts.aborted_inside, 0);
}

/// As when saving trained weights: one rank is still writing when the others have what they need.
TEST(NcclCommunicators, AGroupThatEndsOnAGatherEndsInOrder) {
  PretendRun run;
  run.ranks = 3;
  const PretendOutcome outcome = run_pretend_ranks(run, [](PretendRank& rank) {
    auto group = rank.form();
    const at::Tensor own = at::full({1000}, rank.rank + 1.0), all = at::zeros({3000});
    if (rank.rank == 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    auto transfer = group->start_all_gather(own, all, {1000, 1000, 1000});
    if (rank.rank == 2) return;  // without a wait
    transfer->wait();
    group.reset();
    transfer->wait();
    EXPECT_EQ(all.sum().item<double>(), 6000);
  });
  EXPECT_THAT(outcome.faults, IsEmpty());
  EXPECT_EQ(outcome.counts.destroyed, 3);
  EXPECT_EQ(outcome.counts.aborted, 0);
}

/// A communicator is idle only after its last operation is done, even one that nobody waits for: the pool may
/// end it at any time.
TEST(NcclCommunicators, NothingIsInFlightInThePool) {
  PretendRun run;
  run.ranks = 2;
  std::barrier groups_gone(2);
  const PretendOutcome outcome = run_pretend_ranks(run, [&](PretendRank& rank) {
    auto group = rank.form();
    const at::Tensor own = at::zeros({1000}), all = at::zeros({2000});
    put_in_stream({own}, [](const std::vector<at::Tensor>&) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    });
    group->start_all_gather(own, all, {1000, 1000}).reset();
    group.reset();
    groups_gone.arrive_and_wait();
    rank.pool = make_nccl_pool(1);  // the old one goes
  });
  EXPECT_THAT(outcome.faults, IsEmpty());
  EXPECT_EQ(outcome.counts.aborted, 2);
  EXPECT_EQ(outcome.counts.aborted_inside, 0);
}

TEST(NcclCommunicators, AnAbortGoesToTheHostsFirstOnEveryRank) {
  std::mutex mutex;
  std::vector<std::vector<std::string>> seen(3);
  std::atomic<bool> aborted = false;
  auto note = [&](const std::string& what, int rank) {
    if (what.find("abort") == std::string::npos) return;
    std::lock_guard lock(mutex);
    auto& mine = seen[static_cast<size_t>(rank)];
    if (mine.empty() || mine.back() != what) mine.push_back(what);
  };
  watch_nccl_aborts([&](int rank) { note("NCCL abort", rank); });
  const PretendOutcome outcome = run_pretend_ranks(watched(3, note), [&](PretendRank& rank) {
    const auto group = rank.form();
    use(*group);
    if (rank.rank == 1) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the others are inside it by now
      group->abort("the disk is full");
      aborted = true;
      aborted.notify_all();
      return;
    }
    if (rank.rank == 0) {  // outside of any operation
      aborted.wait(false);
      EXPECT_THROW(group->throw_if_aborted("anything"), RankError);
      std::lock_guard lock(mutex);
      EXPECT_EQ(seen[0].back(), "NCCL abort");
      return;
    }
    const RankError error = suite::error_of([&] { group->all_reduce(at::zeros({7})); });
    EXPECT_EQ(error.rank(), 1);
    EXPECT_TRUE(suite::holds(error, "all_reduce of 7 numbers: rank 1 aborted: the disk is full"))
        << error.what();
  });
  EXPECT_THAT(outcome.faults, IsEmpty());
  EXPECT_EQ(outcome.counts.aborted, 3);
  EXPECT_THAT(seen[0], ElementsAre("host abort seen", "NCCL abort"));
  EXPECT_THAT(seen[1], ElementsAre("host abort", "NCCL abort"));
  EXPECT_THAT(seen[2], ElementsAre("host abort seen", "NCCL abort"));
}

TEST(NcclCommunicators, ConnectingHasATimeOutOfItsOwn) {
  PretendRun run;
  run.ranks = 2;
  run.connect_timeout_s = 0.1;
  run.end_timeout_s = 0.1;
  const PretendOutcome outcome = run_pretend_ranks(run, [](PretendRank& rank) {
    if (rank.rank == 1) return;
    const RankError error = suite::error_of([&] { rank.form(); });
    EXPECT_TRUE(suite::holds(error, "the meeting of a group")) << error.what();
    EXPECT_TRUE(suite::holds(error, "(option connect_timeout_s)")) << error.what();
  });
  EXPECT_THAT(outcome.faults, IsEmpty());
}

/// A rank is lost between the meeting and NCCL.
TEST(NcclCommunicators, TheStartOfNcclHasThatTimeOut) {
  PretendRun run = watched(2, [](const std::string& what, int rank) {
    if (rank == 1 && what == "behind the barrier") throw std::runtime_error("no memory");
  });
  run.connect_timeout_s = 2;  // in which the ranks have to meet, however busy the machine
  const PretendOutcome outcome = run_pretend_ranks(run, [](PretendRank& rank) {
    if (rank.rank == 1) {
      EXPECT_THROW(rank.form(), std::runtime_error);
      return;
    }
    const RankError error = suite::error_of([&] { rank.form(); });
    EXPECT_TRUE(suite::holds(error, "the start of NCCL was not finished after ")) << error.what();
    EXPECT_TRUE(suite::holds(error, " ms (option connect_timeout_s)")) << error.what();
  });
  EXPECT_THAT(outcome.faults, IsEmpty());
  EXPECT_EQ(outcome.counts.made, 1);
  EXPECT_EQ(outcome.counts.aborted, 1);
}

TEST(NcclCommunicators, AnErrorOfNcclIsNamedThenAndLater) {
  PretendRun run;
  run.ranks = 2;
  run.end_timeout_s = 0.1;
  const PretendOutcome outcome = run_pretend_ranks(run, [](PretendRank& rank) {
    const auto group = rank.form();
    use(*group);
    group->barrier();
    if (rank.rank == 0) break_pretend_nccl();
    group->barrier();
    const std::string reason = "all_reduce of 7 numbers failed: NCCL: a peer is gone";
    const RankError error = suite::error_of([&] { group->all_reduce(at::zeros({7})); });
    EXPECT_TRUE(suite::holds(error, reason)) << error.what();
    const RankError later = suite::error_of([&] { group->all_reduce(at::zeros({8})); });
    EXPECT_TRUE(suite::holds(later, "all_reduce of 8 numbers: the group failed before: " + reason))
        << later.what();
  });
  EXPECT_THAT(outcome.faults, IsEmpty());
  EXPECT_EQ(outcome.counts.aborted, 2);
}

/// What the pretend NCCL itself must detect.
TEST(PretendNccl, RanksThatCallDifferentThingsAreAFault) {
  PretendRun run;
  run.ranks = 2;
  run.end_timeout_s = 0.1;
  const PretendOutcome outcome = run_pretend_ranks(run, [](PretendRank& rank) {
    const auto group = rank.form();
    at::Tensor tensor = at::zeros({5});
    const RankError error = suite::error_of([&] { group->broadcast(tensor, rank.rank); });
    EXPECT_TRUE(suite::holds(error, "broadcast of 5 numbers failed: NCCL")) << error.what();
  });
  ASSERT_EQ(outcome.faults.size(), 1U);
  EXPECT_EQ(outcome.faults[0],
            "rank 0 is in broadcast of 5 of type 7, peer 0, rank 1 in broadcast of 5 of type 7, peer 1");
}

}  // namespace
}  // namespace apportion
