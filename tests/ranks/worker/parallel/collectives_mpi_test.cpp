// The conformance suite over MPI, with the node's shared memory and as if each rank were a node; also what
// only MPI has: groups of some ranks, and groups formed again and again. The local form must agree with a
// group of one.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <numeric>

#include "shared/base/error.h"
#include "tests/support/mpi_main.h"
#include "tests/support/worker/collectives_suite.h"
#include "worker/parallel/collectives.h"

namespace apportion {
namespace {

constexpr double timeout_s = 30;
const std::vector<int64_t> sizes = {0, 1, 7, 1023, 3000001};

/// A new tag for each forming of a group; all ranks count alike.
int next_tag() {
  static int tag = 100;
  return ++tag;
}

std::vector<int> all_ranks() {
  std::vector<int> ranks(static_cast<size_t>(test_ranks().size()));
  std::iota(ranks.begin(), ranks.end(), 0);
  return ranks;
}

std::unique_ptr<Collectives> all_in_one_group() {
  return make_mpi_collectives(all_ranks(), next_tag(), timeout_s);
}

/// `size` numbers that show which rank they came from.
at::Tensor numbers_of(int rank, int64_t size) { return at::arange(size, at::kFloat) * 0.5 + rank; }

/// All ranks in one group.
CollectivesForm mpi_form(const std::string& name, NodeSharing sharing) {
  auto run = [=](double timeout, const RankCheck& check) {
    auto group = make_mpi_collectives(all_ranks(), next_tag(), timeout, sharing);
    check(*group);
  };
  return {name, [] { return test_ranks().size(); }, run};
}

INSTANTIATE_TEST_SUITE_P(Mpi, CollectivesSuite,
                         testing::Values(mpi_form("node", NodeSharing::used),
                                         mpi_form("messages", NodeSharing::ignored)),
                         [](const auto& form) { return form.param.name; });

TEST(CollectivesMpi, RanksOfThisMachineAreOneNodeUnlessThatIsIgnored) {
  EXPECT_EQ(make_mpi_collectives(all_ranks(), next_tag(), timeout_s)->node_ranks(), all_ranks());
  auto apart = make_mpi_collectives(all_ranks(), next_tag(), timeout_s, NodeSharing::ignored);
  EXPECT_EQ(apart->node_ranks(), std::vector<int>{apart->group_rank()});
}

TEST(CollectivesMpi, AnOddNumberOfLargeGathers) {
  auto group = all_in_one_group();
  for (int repeat = 0; repeat < 3; ++repeat) {
    std::vector<double> own(100001, repeat + group->group_rank());
    std::vector<double> all = group->all_gather(own);
    ASSERT_EQ(all.size(), own.size() * static_cast<size_t>(group->size()));
    for (int rank = 0; rank < group->size(); ++rank) {
      EXPECT_EQ(all[static_cast<size_t>(rank) * own.size() + 100000], repeat + rank);
    }
  }
}

TEST(CollectivesMpi, NobodyPassesABarrierBeforeAllAreThere) {
  auto group = all_in_one_group();
  // Every rank adds a byte to one file before a barrier; after it all bytes are there. mpirun is the parent
  // of all ranks.
  std::string path = testing::TempDir() + "apportion_barrier." + std::to_string(::getppid());
  for (size_t repeat = 1; repeat <= 50; ++repeat) {
    std::ofstream(path, std::ios::app) << 'x' << std::flush;
    group->barrier();
    EXPECT_GE(std::filesystem::file_size(path), repeat * static_cast<size_t>(group->size()));
  }
  group->barrier();
  if (group->group_rank() == 0) std::filesystem::remove(path);
}

TEST(CollectivesMpi, GroupsOfSomeRanksWorkSideBySide) {
  int rank = test_ranks().rank();
  int size = test_ranks().size();
  // Even and odd ranks, each in descending order, so that group ranks differ from world ranks.
  std::vector<int> members;
  for (int member = size - 1; member >= 0; --member) {
    if (member % 2 == rank % 2) members.push_back(member);
  }
  auto group = make_mpi_collectives(members, next_tag(), timeout_s);
  EXPECT_EQ(members[static_cast<size_t>(group->group_rank())], rank);
  at::Tensor tensor = numbers_of(rank, 11);
  group->broadcast(tensor, 0);
  EXPECT_TRUE(tensor.equal(numbers_of(members[0], 11)));
  std::vector<double> gathered = group->all_gather({static_cast<double>(rank)});
  EXPECT_EQ(gathered, std::vector<double>(members.begin(), members.end()));
}

TEST(CollectivesMpi, GroupsCanBeFormedAgainAndAgain) {
  for (int repeat = 0; repeat < 20; ++repeat) {
    auto group = all_in_one_group();
    EXPECT_EQ(group->all_gather({1.0}).size(), static_cast<size_t>(group->size()));
  }
}

TEST(CollectivesMpi, RefuseTensorsThatMpiWouldMisread) {
  auto group = all_in_one_group();
  at::Tensor doubles = at::zeros({4}, at::kDouble);
  EXPECT_THROW(group->broadcast(doubles, 0), InternalError);
  at::Tensor columns = at::zeros({4, 4}, at::kFloat).t();
  EXPECT_THROW(group->broadcast(columns, 0), InternalError);
  EXPECT_THROW(group->send(doubles, 0), InternalError);
}

TEST(CollectivesMpi, ATimeOutNamesTheOperationAndThePeer) {
  if (test_ranks().size() == 1) return;
  auto group = make_mpi_collectives(all_ranks(), next_tag(), 0.05);
  auto control = all_in_one_group();
  if (test_ranks().rank() == 0) {
    at::Tensor never = at::empty({5}, at::kFloat);
    try {
      group->receive(never, 1);
      FAIL() << "received what nobody sent";
    } catch (const RankError& error) {
      EXPECT_EQ(error.rank(), 1);
      EXPECT_NE(std::string(error.what()).find("receive of 5 numbers with rank 1"), std::string::npos)
          << error.what();
    }
  }
  control->barrier();
}

TEST(CollectivesLocal, AgreesWithAGroupOfOne) {
  auto local = make_local_collectives();
  auto one = make_mpi_collectives({test_ranks().rank()}, next_tag(), timeout_s);
  for (Collectives* group : {local.get(), one.get()}) {
    EXPECT_EQ(group->size(), 1);
    EXPECT_EQ(group->group_rank(), 0);
    at::Tensor tensor = numbers_of(3, 9);
    group->broadcast(tensor, 0);
    EXPECT_TRUE(tensor.equal(numbers_of(3, 9)));
    EXPECT_EQ(group->all_gather({1, 2}), (std::vector<double>{1, 2}));
    group->barrier();
  }
  EXPECT_THROW(local->send(numbers_of(0, 1), 0), InternalError);
}

}  // namespace
}  // namespace apportion
