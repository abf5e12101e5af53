// How idle ranks are divided over tasks.
#include "coordinator/group_layout.h"

#include <gtest/gtest.h>

#include <numeric>

namespace apportion {
namespace {

TEST(GroupLayout, EveryTaskGetsARankBeforeOneGetsTwo) {
  EXPECT_EQ(group_sizes({3, 1, 1}, 2, {0, 4}), (std::vector{1, 1, 0}));
  EXPECT_EQ(group_sizes({3, 1, 1}, 3, {0, 4}), (std::vector{1, 1, 1}));
}

TEST(GroupLayout, FurtherRanksGoWhereTheirPartIsLargest) {
  EXPECT_EQ(group_sizes({3, 1}, 3, {0, 8}), (std::vector{2, 1}));
  EXPECT_EQ(group_sizes({3, 1}, 4, {0, 8}), (std::vector{3, 1}));
  EXPECT_EQ(group_sizes({3, 1}, 8, {0, 8}), (std::vector{6, 2}));
}

TEST(GroupLayout, TheCapLeavesRanksIdle) {
  EXPECT_EQ(group_sizes({3, 1}, 16, {0, 4}), (std::vector{4, 4}));
  EXPECT_EQ(group_sizes({1}, 3, {0, 1}), (std::vector{1}));
}

TEST(GroupLayout, AFixedSizeFillsGroupsInOrder) {
  EXPECT_EQ(group_sizes({1, 1, 1}, 5, {2, 1}), (std::vector{2, 2, 1}));
  EXPECT_EQ(group_sizes({1, 1, 1}, 2, {4, 4}), (std::vector{2, 0, 0}));
}

TEST(GroupLayout, NothingToDivide) {
  EXPECT_TRUE(group_sizes({}, 4, {0, 4}).empty());
  EXPECT_EQ(group_sizes({1, 1}, 0, {0, 4}), (std::vector{0, 0}));
}

}  // namespace
}  // namespace apportion
