// Where the ranks that hold a copy of the base together are placed, on pretended machines.
#include "worker/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace apportion {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Session, PlacementIsWhatTheMachinesAllow) {
  EXPECT_EQ(placement_warning({0, 0, 2, 2}, 2), "");  // --map-by slot
  EXPECT_EQ(placement_warning({0, 0, 0, 0}, 4), "");
  EXPECT_EQ(placement_warning({0, 1, 2, 3}, 2), "");  // no machine has two ranks
  EXPECT_EQ(placement_warning({0, 0, 2, 2}, 4), "");  // no machine has four
  EXPECT_EQ(placement_warning({0, 0, 0, 3, 3, 3}, 6), "");
}

TEST(Session, CopiesAcrossMachinesAreSaid) {
  for (const std::vector<int>& by_node : {std::vector<int>{0, 1, 0, 1}, {0, 1, 2, 0, 1, 2}}) {
    const std::string line = placement_warning(by_node, 2);
    EXPECT_THAT(line, HasSubstr("shard_size = 2: ranks 0 to 1 of the group"));
    EXPECT_THAT(line, HasSubstr("mpirun --map-by slot (or core)"));
  }
  // Three ranks per machine do not make pairs, in any order.
  const std::string uneven = placement_warning({0, 0, 0, 3, 3, 3}, 2);
  EXPECT_THAT(uneven, HasSubstr("ranks 2 to 3 of the group"));
  EXPECT_THAT(uneven, HasSubstr("use a shard_size that divides the ranks of a machine"));
}

TEST(Session, MachinesAreThoseOfTheGroup) {
  auto group = make_threads_collectives(5, 2, 50);
  std::vector<std::thread> threads;
  for (auto& rank : group)
    threads.emplace_back([&rank] { EXPECT_THAT(machines_of(*rank), ElementsAre(0, 0, 2, 2, 4)); });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace apportion
