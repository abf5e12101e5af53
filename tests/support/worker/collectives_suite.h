// One conformance suite for every form of Collectives: the including test instantiates CollectivesSuite with
// its forms. A check runs once on each rank of its own group. All ranks make the same checks in the same
// order, so the suite works for threads of one process and for processes of one mpirun. Pretended groups have
// other contents and their own tests.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "tests/support/worker/rank_numbers.h"
#include "worker/parallel/collectives.h"

namespace apportion {

using RankCheck = std::function<void(Collectives&)>;

/// How to run a check on every rank of a new group of this form; the group is gone afterwards.
struct CollectivesForm {
  std::string name;
  std::function<int()> ranks;  // not known before MPI runs
  std::function<void(double timeout_s, const RankCheck& check)> run;
};

inline void PrintTo(const CollectivesForm& form, std::ostream* out) { *out << form.name; }

class CollectivesSuite : public testing::TestWithParam<CollectivesForm> {
 protected:
  static constexpr double patient_s = 50, short_s = 0.5;
  void run(const RankCheck& check) { GetParam().run(patient_s, check); }
  int last_rank() const { return GetParam().ranks() - 1; }
};

TEST_P(CollectivesSuite, KnowsItsPlace) {
  run([&](Collectives& group) {
    EXPECT_EQ(group.size(), GetParam().ranks());
    const std::vector<double> ranks = group.all_gather({static_cast<double>(group.group_rank())});
    for (int rank = 0; rank < group.size(); ++rank) EXPECT_EQ(ranks[static_cast<size_t>(rank)], rank);
    const std::vector<int> node = group.node_ranks();
    EXPECT_EQ(std::count(node.begin(), node.end(), group.group_rank()), 1);
    EXPECT_TRUE(std::is_sorted(node.begin(), node.end()));
  });
}

TEST_P(CollectivesSuite, AllGatherPutsPartsInTheOrderOfRanks) {
  run([](Collectives& group) {
    for (at::ScalarType type : {at::kFloat, at::kBFloat16, at::kByte, at::kDouble}) {
      for (const auto& counts : suite::counts_of(group.size())) {
        const at::Tensor expected = suite::numbered(suite::total_of(counts), type);
        const at::Tensor own = suite::part_of(expected, counts, group.group_rank()).clone();
        const at::Tensor all = at::full_like(expected, 99);
        group.all_gather(own, all, counts);
        EXPECT_TRUE(at::equal(all, expected)) << type << ", " << counts;
        EXPECT_TRUE(at::equal(own, suite::part_of(expected, counts, group.group_rank())));
      }
    }
  });
}

TEST_P(CollectivesSuite, AllGatherTakesAPartOfTheWhole) {
  run([](Collectives& group) {
    for (const auto& counts : suite::counts_of(group.size())) {
      const at::Tensor expected = suite::numbered(suite::total_of(counts), at::kFloat);
      const at::Tensor all = at::full_like(expected, 99);
      const at::Tensor own = suite::part_of(all, counts, group.group_rank());
      own.copy_(suite::part_of(expected, counts, group.group_rank()));
      group.all_gather(own, all, counts);
      EXPECT_TRUE(at::equal(all, expected)) << counts;
    }
  });
}

TEST_P(CollectivesSuite, ReduceScatterAddsAlongTheTree) {
  run([](Collectives& group) {
    for (const auto& counts : suite::counts_of(group.size())) {
      const int64_t total = suite::total_of(counts);
      const at::Tensor all = suite::contribution(group.group_rank(), total), before = all.clone();
      const at::Tensor own = at::full({counts[static_cast<size_t>(group.group_rank())]}, 99, at::kFloat);
      group.reduce_scatter(all, own, counts);
      const at::Tensor expected = suite::reference_sum(0, group.size(), total);
      EXPECT_TRUE(at::equal(own, suite::part_of(expected, counts, group.group_rank()))) << counts;
      EXPECT_TRUE(at::equal(all, before)) << counts;
    }
  });
}

TEST_P(CollectivesSuite, AllReduceGivesTheSameBitsEverywhere) {
  run([](Collectives& group) {
    for (int64_t size : {0, 1, 2, 3, 7, 1023, 4096, 1200007}) {
      const at::Tensor tensor = suite::contribution(group.group_rank(), size);
      group.all_reduce(tensor);
      EXPECT_TRUE(at::equal(tensor, suite::reference_sum(0, group.size(), size))) << size;
    }
  });
}

TEST_P(CollectivesSuite, SharedMemoryIsSeenByTheNode) {
  run([](Collectives& group) {
    for (int64_t bytes : {0, 5, 100000}) {
      const at::Tensor memory = group.allocate_shared(bytes);
      EXPECT_EQ(memory.numel(), bytes);
      EXPECT_EQ(memory.scalar_type(), at::kByte);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(memory.data_ptr()) % 64, 0U);
      EXPECT_EQ(memory.sum().item<int64_t>(), 0);
      group.barrier();
      const std::vector<int> node = group.node_ranks();
      if (bytes > group.size()) memory[group.group_rank()].fill_(group.group_rank() + 1);
      group.barrier();
      for (int rank = 0; bytes > group.size() && rank < group.size(); ++rank) {
        const bool is_near = std::count(node.begin(), node.end(), rank) > 0;
        EXPECT_EQ(memory[rank].item<int>(), is_near ? rank + 1 : 0);
      }
      group.barrier();
    }
  });
}

TEST_P(CollectivesSuite, SourcesInSharedMemory) {
  run([](Collectives& group) {
    for (const auto& counts : suite::counts_of(group.size())) {
      // All ranks' tensors one after another, aligned to 64 bytes; a rank uses its own.
      const int64_t total = suite::total_of(counts), stride = (total * 4 + 63) / 64 * 64;
      const int rank = group.group_rank();
      const at::Tensor memory = group.allocate_shared(stride * group.size());
      const at::Tensor mine = memory.narrow(0, rank * stride, total * 4).view(at::kFloat);
      mine.copy_(suite::contribution(rank, total));
      const at::Tensor expected = suite::reference_sum(0, group.size(), total);
      const at::Tensor own = at::empty({counts[static_cast<size_t>(rank)]}, at::kFloat);
      group.reduce_scatter(mine, own, counts);
      EXPECT_TRUE(at::equal(own, suite::part_of(expected, counts, rank))) << counts;
      const at::Tensor all = at::empty({total}, at::kFloat), part = suite::part_of(mine, counts, rank);
      part.copy_(own);
      group.all_gather(part, all, counts);
      EXPECT_TRUE(at::equal(all, expected)) << counts;
      mine.copy_(suite::contribution(rank, total));  // ours again, as wait() has returned
      group.all_reduce(mine);
      EXPECT_TRUE(at::equal(mine, expected)) << counts;
    }
  });
}

TEST_P(CollectivesSuite, TransfersOverlapAndMayBeWaitedForInAnyOrder) {
  run([](Collectives& group) {
    const int rank = group.group_rank(), ranks = group.size();
    const std::vector<int64_t> counts(static_cast<size_t>(ranks), 50001);
    const int64_t total = suite::total_of(counts);
    for (int repeat = 0; repeat < 3; ++repeat) {
      const at::Tensor expected = suite::numbered(total, at::kByte, repeat);
      const at::Tensor bytes = suite::part_of(expected, counts, rank).clone(),
                       gathered = at::empty_like(expected);
      const at::Tensor all = suite::contribution(rank, total), own = at::empty({50001}, at::kFloat);
      const at::Tensor sum = suite::contribution(rank, 33), other = suite::contribution(rank, total);
      std::vector<std::unique_ptr<Transfer>> transfers;
      transfers.push_back(group.start_all_gather(bytes, gathered, counts));
      transfers.push_back(group.start_reduce_scatter(all, own, counts));
      transfers.push_back(group.start_all_reduce(sum));
      transfers.push_back(group.start_all_reduce(other));
      if (rank % 2 == 1) std::reverse(transfers.begin(), transfers.end());
      for (const auto& transfer : transfers) transfer->wait();
      for (const auto& transfer : transfers) transfer->wait();  // a second call does nothing
      EXPECT_TRUE(at::equal(gathered, expected));
      const at::Tensor whole = suite::reference_sum(0, ranks, total);
      EXPECT_TRUE(at::equal(own, suite::part_of(whole, counts, rank)));
      EXPECT_TRUE(at::equal(other, whole));
      EXPECT_TRUE(at::equal(sum, suite::reference_sum(0, ranks, 33)));
    }
  });
}

TEST_P(CollectivesSuite, ManyTransfersAtOnce) {
  run([](Collectives& group) {
    const std::vector<int64_t> counts(static_cast<size_t>(group.size()), 1001);
    std::vector<std::unique_ptr<Transfer>> transfers;
    std::vector<at::Tensor> gathered, expected;
    for (int i = 0; i < 40; ++i) {
      expected.push_back(suite::numbered(suite::total_of(counts), at::kByte, i));
      gathered.push_back(at::empty_like(expected.back()));
      transfers.push_back(group.start_all_gather(
          suite::part_of(expected.back(), counts, group.group_rank()).clone(), gathered.back(), counts));
    }
    for (const auto& transfer : transfers) transfer->wait();
    for (size_t i = 0; i < gathered.size(); ++i) EXPECT_TRUE(at::equal(gathered[i], expected[i])) << i;
  });
}

TEST_P(CollectivesSuite, ADroppedGatherHarmsNobody) {
  run([](Collectives& group) {
    const std::vector<int64_t> counts(static_cast<size_t>(group.size()), 70001);
    const at::Tensor expected = suite::numbered(suite::total_of(counts), at::kByte);
    for (int dropper = 0; dropper < group.size(); ++dropper) {
      const at::Tensor own = suite::part_of(expected, counts, group.group_rank()).clone();
      const at::Tensor all = at::full_like(expected, 99), next = at::full_like(expected, 99);
      auto dropped = group.start_all_gather(own, all, counts);
      auto kept = group.start_all_gather(own, next, counts);
      if (group.group_rank() != dropper) dropped->wait();
      dropped.reset();
      kept->wait();
      EXPECT_TRUE(at::equal(next, expected));
      EXPECT_TRUE(group.group_rank() == dropper || at::equal(all, expected));
    }
    group.barrier();
  });
}

TEST_P(CollectivesSuite, ADroppedSumIsRightOrAnError) {
  GetParam().run(short_s, [](Collectives& group) {
    const at::Tensor tensor = suite::contribution(group.group_rank(), 90001);
    auto transfer = group.start_all_reduce(tensor);
    if (group.group_rank() == 0) {
      transfer.reset();
      return;
    }
    try {
      transfer->wait();
      EXPECT_TRUE(at::equal(tensor, suite::reference_sum(0, group.size(), 90001)));
    } catch (const RankError& error) {
      // If the form knows whom it waits for, this names rank 0, or on another node a rank that lacks rank 0's
      // part.
      EXPECT_TRUE(suite::holds(error, error.rank() < 0 ? "all_reduce of 90001 numbers "
                                                       : "all_reduce of 90001 numbers with rank "))
          << error.what();
    }
  });
}

TEST_P(CollectivesSuite, BroadcastSendReceiveAndValues) {
  run([](Collectives& group) {
    const int rank = group.group_rank(), ranks = group.size();
    for (int64_t size : {0, 1, 7, 1023, 300001}) {
      for (int root = 0; root < ranks; ++root) {
        at::Tensor tensor = suite::contribution(rank, size);
        group.broadcast(tensor, root);
        EXPECT_TRUE(at::equal(tensor, suite::contribution(root, size))) << size << " from " << root;
      }
      if (ranks == 1) continue;
      at::Tensor received = at::empty({size}, at::kFloat);
      const int from = (rank + ranks - 1) % ranks;
      if (rank % 2 == 1) group.receive(received, from);
      group.send(suite::contribution(rank, size), (rank + 1) % ranks);
      if (rank % 2 == 0) group.receive(received, from);
      EXPECT_TRUE(at::equal(received, suite::contribution(from, size))) << size;
    }
    std::vector<double> expected;
    for (int r = 0; r < ranks; ++r) expected.insert(expected.end(), static_cast<size_t>(2 * r), r + 1e-9);
    EXPECT_EQ(group.all_gather(std::vector<double>(static_cast<size_t>(2 * rank), rank + 1e-9)), expected);
  });
}

TEST_P(CollectivesSuite, ARankThatLeavesIsReportedByEveryOperation) {
  const int ranks = GetParam().ranks(), leaver = last_rank();
  if (ranks == 1) return;
  const std::vector<int64_t> counts(static_cast<size_t>(ranks), 5);
  const at::Tensor own = at::zeros({5}), all = at::zeros({5 * ranks});
  at::Tensor numbers = at::zeros({5});
  struct Call {
    std::string name;
    std::function<void(Collectives&)> make;
  };
  const std::vector<Call> calls = {
      {"all_gather of ", [&](Collectives& group) { group.all_gather(own.clone(), all.clone(), counts); }},
      {"reduce_scatter of ",
       [&](Collectives& group) { group.reduce_scatter(all.clone(), own.clone(), counts); }},
      {"all_reduce of ", [&](Collectives& group) { group.all_reduce(all.clone()); }},
      {"receive of 5 numbers with rank ",
       [&](Collectives& group) {
         at::Tensor mine = at::zeros({5});
         group.receive(mine, leaver);
       }},
      {"broadcast of ",
       [&](Collectives& group) {
         at::Tensor mine = at::zeros({5});
         group.broadcast(mine, leaver);
       }},
      {"all_gather of ", [](Collectives& group) { group.all_gather(std::vector<double>{1}); }},
      {"barrier", [](Collectives& group) { group.barrier(); }}};
  for (const Call& call : calls) {
    GetParam().run(short_s, [&](Collectives& group) {
      if (group.group_rank() == leaver) return;
      const double start = seconds_now();
      const RankError error = suite::error_of([&] { call.make(group); });
      EXPECT_TRUE(suite::holds(error, call.name)) << error.what();
      EXPECT_TRUE(error.rank() == leaver || error.rank() == -1) << call.name << ": " << error.what();
      EXPECT_LT(seconds_now() - start, patient_s);
    });
  }
}

TEST_P(CollectivesSuite, AfterATimeOutTheGroupFailsAtOnce) {
  if (GetParam().ranks() == 1) return;
  const int leaver = last_rank();
  GetParam().run(short_s, [&](Collectives& group) {
    if (group.group_rank() == leaver) return;
    const at::Tensor first = at::zeros({3}), second = at::zeros({4});
    auto transfer = group.start_all_reduce(first), later = group.start_all_reduce(second);
    const RankError error = suite::error_of([&] { later->wait(); });  // ends the first one first
    EXPECT_TRUE(suite::holds(error, "all_reduce of 3 numbers")) << error.what();
    const RankError again = suite::error_of([&] { group.all_reduce(at::zeros({5})); });
    EXPECT_TRUE(suite::holds(again, "all_reduce of 5 numbers: the group failed before: ")) << again.what();
    EXPECT_TRUE(suite::holds(again, error.what())) << again.what();
  });
}

TEST_P(CollectivesSuite, AnAbortEndsRunningAndLaterOperations) {
  const int aborter = last_rank();
  run([&](Collectives& group) {
    const std::string expected = ": rank " + std::to_string(aborter) + " aborted: the disk is full";
    const at::Tensor sum = at::zeros({7});
    if (group.group_rank() == aborter) {
      group.abort("the disk is full");
      group.abort("a second call does nothing");
    }
    const RankError running = suite::error_of([&] { group.all_reduce(sum); });
    EXPECT_EQ(running.rank(), aborter);
    EXPECT_TRUE(suite::holds(running, "all_reduce of 7 numbers" + expected)) << running.what();
    const RankError later = suite::error_of([&] { group.barrier(); });
    EXPECT_TRUE(suite::holds(later, "barrier" + expected)) << later.what();
    EXPECT_THROW(group.throw_if_aborted("anything"), RankError);
  });
}

TEST_P(CollectivesSuite, RefusesTensorsThatDoNotFit) {
  run([](Collectives& group) {
    const std::vector<int64_t> counts(static_cast<size_t>(group.size()), 4);
    const at::Tensor own = at::zeros({4}), all = at::zeros({4 * group.size()});
    EXPECT_THROW(group.start_all_gather(at::zeros({5}), all, counts), InternalError);
    EXPECT_THROW(group.start_all_gather(own, at::zeros({3}), counts), InternalError);
    EXPECT_THROW(group.start_all_gather(own.to(at::kDouble), all, counts), InternalError);
    EXPECT_THROW(group.start_all_gather(own, all, {4, 4, 4, 4, 4}), InternalError);
    EXPECT_THROW(group.start_all_gather(at::zeros({2, 2}).t(), all, counts), InternalError);
    EXPECT_THROW(group.start_reduce_scatter(all.to(at::kDouble), own.to(at::kDouble), counts), InternalError);
    EXPECT_THROW(group.start_all_reduce(at::zeros({4, 4}).t()), InternalError);
    EXPECT_THROW(group.start_all_reduce(at::zeros({4}, at::kBFloat16)), InternalError);
    group.barrier();
  });
}

}  // namespace apportion
