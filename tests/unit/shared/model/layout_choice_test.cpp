// The order in which layouts are tried, and what is said if none fits.
#include "shared/model/layout_choice.h"

#include <gtest/gtest.h>

namespace apportion {
namespace {

/// A base of 120 bytes, and activations of 40 or, when recomputed, 10.
double needed(int64_t shard_size, Recompute recompute) {
  return 120 / static_cast<double>(shard_size) + (recompute == Recompute::always ? 10 : 40);
}

LayoutChoice choose(const LayoutFreedom& freedom, double memory) {
  return choose_layout(freedom, memory, needed);
}

TEST(LayoutChoice, TakesTheFewestSharingRanksThatFit) {
  const LayoutFreedom twelve = {12};
  EXPECT_EQ(choose(twelve, 160).shard_size, 1);
  EXPECT_EQ(choose(twelve, 159).shard_size, 2);
  EXPECT_EQ(choose(twelve, 80).shard_size, 3);
  EXPECT_EQ(choose(twelve, 65).shard_size, 6);  // 5 does not divide 12
  EXPECT_EQ(choose(twelve, 65).recompute, Recompute::never);
  EXPECT_EQ(choose(twelve, 65).needed_bytes, 60);
}

TEST(LayoutChoice, RecomputesWhereAllRanksTogetherWouldNotFit) {
  EXPECT_EQ(choose({12}, 50).recompute, Recompute::never);
  const LayoutChoice choice = choose({12}, 49);
  EXPECT_EQ(choice.recompute, Recompute::always);
  EXPECT_EQ(choice.shard_size, 4);
  EXPECT_TRUE(choice.fits);
}

TEST(LayoutChoice, WhatIsGivenIsKept) {
  EXPECT_EQ(choose({12, 0, 4, Recompute::automatic}, 1000).shard_size, 4);
  EXPECT_EQ(choose({12, 0, 4, Recompute::automatic}, 45).recompute, Recompute::always);
  EXPECT_EQ(choose({12, 0, 0, Recompute::always}, 1000).recompute, Recompute::always);
  EXPECT_EQ(choose({12, 0, 0, Recompute::never}, 49).fits, false);
}

TEST(LayoutChoice, ShardsDivideGroups) {
  EXPECT_EQ(choose({12, 4}, 80).shard_size, 4);  // 3 divides only the number of ranks
  EXPECT_EQ(choose({12, 4}, 69).recompute, Recompute::always);
}

TEST(LayoutChoice, WithoutAnyThatFitsTheLeastIsNamed) {
  const LayoutChoice choice = choose({12}, 19);
  EXPECT_FALSE(choice.fits);
  EXPECT_EQ(choice.shard_size, 12);
  EXPECT_EQ(choice.recompute, Recompute::always);
  EXPECT_EQ(choice.needed_bytes, 20);
}

TEST(LayoutChoice, AllowedRecomputation) {
  EXPECT_EQ(allowed_recompute(Recompute::automatic), (std::vector{Recompute::never, Recompute::always}));
  EXPECT_EQ(allowed_recompute(Recompute::always), std::vector{Recompute::always});
}

}  // namespace
}  // namespace apportion
