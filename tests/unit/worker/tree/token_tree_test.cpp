// The tree's shape: shared prefixes, depths, depth-first order.
#include "worker/tree/token_tree.h"

#include <gtest/gtest.h>

namespace apportion {
namespace {

TEST(TokenTree, PathsShareTheirBeginning) {
  TokenTree tree;
  const int32_t a = tree.add_path(no_node, {1, 2, 3});
  const int32_t b = tree.add_path(no_node, {1, 2, 4});
  EXPECT_EQ(tree.size(), 4);
  EXPECT_EQ(tree.parent(a), tree.parent(b));
  EXPECT_EQ(tree.depth(a), 2);
  EXPECT_EQ(tree.add_path(no_node, {1, 2, 3}), a);
}

TEST(TokenTree, AppendedNodesAreNotMerged) {
  TokenTree tree;
  const int32_t root = tree.add_path(no_node, {7});
  EXPECT_NE(tree.append(root, 8), tree.append(root, 8));
}

TEST(TokenTree, DepthFirstKeepsDescendantsTogether) {
  TokenTree tree;
  const int32_t root = tree.child(no_node, 0), left = tree.child(root, 1), right = tree.child(root, 2);
  const int32_t below_right = tree.child(right, 3), below_left = tree.child(left, 4);
  std::vector<int32_t> index;
  TokenTree sorted = tree.depth_first(index);
  EXPECT_EQ(index, (std::vector<int32_t>{0, 1, 3, 4, 2}));
  for (int32_t node : {left, right, below_left, below_right}) {
    EXPECT_EQ(sorted.parent(index[size_t(node)]), index[size_t(tree.parent(node))]);
    EXPECT_EQ(sorted.token(index[size_t(node)]), tree.token(node));
  }
  EXPECT_EQ(sorted.child(index[size_t(left)], 4), index[size_t(below_left)]);
}

}  // namespace
}  // namespace apportion
