// Collectives over NCCL alongside computation: they transfer what earlier work in the stream produced, memory
// is kept until a transfer has ended, and ranks may wait in any order.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/support/pretend_nccl/pretend_ranks.h"
#include "tests/support/worker/rank_numbers.h"
#include "worker/gpu/stream.h"

namespace apportion {
namespace {

using testing::IsEmpty;

constexpr auto late = std::chrono::milliseconds(20);
constexpr int64_t part = 1000;

/// `tensor` becomes `value` when the current stream gets to it, which takes a while.
void fill_late(const at::Tensor& tensor, double value) {
  put_in_stream({tensor}, [value](const std::vector<at::Tensor>& tensors) {
    std::this_thread::sleep_for(late);
    tensors[0].fill_(value);
  });
}

std::vector<int64_t> even(const Collectives& group) {
  return std::vector<int64_t>(static_cast<size_t>(group.size()), part);
}

/// Runs `check` on `ranks` ranks in one group; there must be no fault and no abort.
void run(int ranks, const std::function<void(Collectives&)>& check) {
  PretendRun pretended;
  pretended.ranks = ranks;
  const PretendOutcome outcome = run_pretend_ranks(pretended, [&](PretendRank& rank) {
    const auto group = rank.form();
    check(*group);
  });
  EXPECT_THAT(outcome.faults, IsEmpty());
  EXPECT_EQ(outcome.counts.aborted, 0);
}

TEST(NcclStreams, WhatWasComputedJustBeforeArrives) {
  run(3, [](Collectives& group) {
    const int rank = group.group_rank();
    const at::Tensor own = at::zeros({part}), all = at::zeros({3 * part});
    fill_late(own, rank + 1);
    group.all_gather(own, all, even(group));
    for (int r = 0; r < 3; ++r) EXPECT_EQ(all.narrow(0, r * part, part).sum().item<double>(), part * (r + 1));
    fill_late(all, rank + 1);
    group.reduce_scatter(all, own, even(group));
    EXPECT_EQ(own.sum().item<double>(), part * 6);
    fill_late(all, rank + 10);
    group.all_reduce(all);
    EXPECT_EQ(all.sum().item<double>(), 3 * part * 33);
    at::Tensor sent = at::zeros({part});
    fill_late(sent, rank + 4);
    group.broadcast(sent, 1);
    EXPECT_EQ(sent.sum().item<double>(), part * 5);
    fill_late(sent, rank + 7);
    if (rank == 0) group.send(sent, 2);
    if (rank == 2) group.receive(sent, 0);
    if (rank == 2) {
      EXPECT_EQ(sent.sum().item<double>(), part * 7);
    }
  });
}

TEST(NcclStreams, UnequalPartsComeBehindTheComputation) {
  run(2, [](Collectives& group) {
    const int rank = group.group_rank();
    const at::Tensor own = at::zeros({1 + rank * part}), all = at::zeros({2 + part});
    fill_late(own, rank + 1);
    group.all_gather(own, all, {1, 1 + part});
    EXPECT_EQ(all.sum().item<double>(), 1 + 2 * (1 + part));
  });
}

/// A transfer's tensors are dropped while it is in flight and new ones are made at once, as in a step.
TEST(NcclStreams, MemoryIsNotGivenAwayBeforeATransferHasEnded) {
  run(2, [](Collectives& group) {
    const int rank = group.group_rank();
    for (int repeat = 0; repeat < 3; ++repeat) {
      const at::Tensor all = at::zeros({2 * part}), sum = at::empty({part});
      if (rank == 1) std::this_thread::sleep_for(late);  // keeps rank 0's operations in flight
      at::Tensor own = at::full({part}, rank + 1.0), contribution = at::full({2 * part}, rank + 3.0);
      auto gather = group.start_all_gather(own, all, even(group));
      auto scatter = group.start_reduce_scatter(contribution, sum, even(group));
      own.reset();
      contribution.reset();
      scatter->wait();
      gather->wait();
      EXPECT_EQ(all.sum().item<double>(), part * 3);
      EXPECT_EQ(sum.sum().item<double>(), part * 7);
    }
  });
}

TEST(NcclStreams, ADroppedTransferKeepsItsMemory) {
  run(2, [](Collectives& group) {
    const int rank = group.group_rank();
    const at::Tensor kept = at::zeros({2 * part});
    {
      if (rank == 1) std::this_thread::sleep_for(late);
      const at::Tensor own = at::full({part}, rank + 1.0), all = rank == 0 ? at::zeros({2 * part}) : kept;
      auto transfer = group.start_all_gather(own, all, even(group));
      if (rank == 1) transfer->wait();
    }
    EXPECT_EQ(kept.sum().item<double>(), rank == 1 ? part * 3 : 0);
  });
}

TEST(NcclStreams, RanksWaitInAnyOrder) {
  run(4, [](Collectives& group) {
    const int rank = group.group_rank();
    std::vector<at::Tensor> tensors;
    std::vector<std::unique_ptr<Transfer>> transfers;
    for (int i = 0; i < 4; ++i) {
      tensors.push_back(at::zeros({part}));
      fill_late(tensors.back(), i + rank);
      transfers.push_back(group.start_all_reduce(tensors.back()));
    }
    for (int i = 0; i < 4; ++i) transfers[static_cast<size_t>((i * 3 + rank) % 4)]->wait();
    for (int i = 0; i < 4; ++i)
      EXPECT_EQ(tensors[static_cast<size_t>(i)].sum().item<double>(), part * (4 * i + 6));
  });
}

/// One group gathers a copy's shards and the other sums over replicas, as in a step.
TEST(NcclStreams, TwoGroupsAtATime) {
  PretendRun pretended;
  pretended.ranks = 2;
  pretended.groups = 2;
  const PretendOutcome outcome = run_pretend_ranks(pretended, [&](PretendRank& rank) {
    const auto first = rank.form(), second = rank.form();
    for (int repeat = 0; repeat < 5; ++repeat) {
      const at::Tensor own = at::full({part}, rank.rank + 1.0), all = at::zeros({2 * part});
      const at::Tensor sum = at::zeros({part});
      fill_late(sum, rank.rank + 1);
      auto summed = second->start_all_reduce(sum);
      auto gathered = first->start_all_gather(own, all, even(*first));
      gathered->wait();
      summed->wait();
      EXPECT_EQ(all.sum().item<double>(), part * 3);
      EXPECT_EQ(sum.sum().item<double>(), part * 3);
    }
  });
  EXPECT_THAT(outcome.faults, IsEmpty());
  EXPECT_EQ(outcome.counts.made, 4);
  EXPECT_EQ(outcome.counts.aborted, 0);
}

}  // namespace
}  // namespace apportion
