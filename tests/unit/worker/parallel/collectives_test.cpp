// The conformance suite for the forms that need only one process: a group of one, and threads on one node or
// on nodes of one or two ranks with messages between them.
#include "worker/parallel/collectives.h"

#include <thread>

#include "tests/support/worker/collectives_suite.h"

namespace apportion {
namespace {

void run_local(double /*timeout_s*/, const RankCheck& check) { check(*make_local_collectives()); }

CollectivesForm threads_form(const std::string& name, int ranks, int ranks_per_node) {
  auto run = [=](double timeout_s, const RankCheck& check) {
    auto group = make_threads_collectives(ranks, ranks_per_node, timeout_s);
    std::vector<std::thread> threads;
    for (auto& rank : group) {
      threads.emplace_back([&check, mine = std::move(rank)]() mutable {
        try {
          check(*mine);
        } catch (const std::exception& error) {
          ADD_FAILURE() << "group rank " << mine->group_rank() << ": " << error.what();
        }
        mine.reset();
      });
    }
    for (std::thread& thread : threads) thread.join();
  };
  return {name + std::to_string(ranks), [ranks] { return ranks; }, run};
}

std::string name_of(const testing::TestParamInfo<CollectivesForm>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Local, CollectivesSuite,
                         testing::Values(CollectivesForm{"local1", [] { return 1; }, run_local}), name_of);
INSTANTIATE_TEST_SUITE_P(Threads, CollectivesSuite,
                         testing::Values(threads_form("node", 1, 1), threads_form("node", 2, 2),
                                         threads_form("node", 3, 3), threads_form("node", 4, 4),
                                         threads_form("messages", 2, 1), threads_form("messages", 3, 1),
                                         threads_form("messages", 4, 1), threads_form("pairs", 3, 2),
                                         threads_form("pairs", 4, 2), threads_form("unequal", 4, 3)),
                         name_of);

TEST(Collectives, DifferentCallsAreNamed) {
  auto group = make_threads_collectives(2, 2, 50);
  std::thread other([&] {
    const at::Tensor tensor = at::zeros({8});
    EXPECT_THROW(group[1]->all_reduce(tensor), InternalError);
  });
  try {
    group[0]->all_gather(at::zeros({2}), at::zeros({4}), {2, 2});
    ADD_FAILURE() << "an all_gather met an all_reduce";
  } catch (const InternalError& error) {
    EXPECT_STREQ(
        error.what(),
        "internal error: rank 0 is in all_gather of 4 x 4 bytes, rank 1 in all_reduce of 8 x 4 bytes");
  }
  other.join();
}

TEST(Collectives, ATransferMayOutliveItsGroup) {
  auto group = make_threads_collectives(2, 2, 50);
  const at::Tensor all = at::zeros({4});
  auto transfer = group[0]->start_all_gather(at::ones({2}), all, {2, 2});
  group.clear();
  const RankError error = suite::error_of([&] { transfer->wait(); });
  EXPECT_TRUE(suite::holds(error, "all_gather of 4 numbers")) << error.what();
}

}  // namespace
}  // namespace apportion
