// A tree of tokens: a node is (parent, token), its position is its depth, and it attends to itself and its
// ancestors. Training packs a batch's prompts and answers into a tree; measuring grows answers on one. Users
// keep the nodes' weights or counts; tree_attention.h computes attention.
// Prior art: Tree Training (arXiv 2511.00413).
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace apportion {

inline constexpr int32_t no_node = -1;

class TokenTree {
 public:
  /// Returns the index of the child of `parent` (no_node: a root) with `token`, adding it unless it exists.
  int32_t child(int32_t parent, int32_t token);
  /// Adds a child even if an equal one exists (the two are then different paths).
  int32_t append(int32_t parent, int32_t token);
  /// Calls child() along `tokens` and returns the last node, or `parent` if there are none.
  int32_t add_path(int32_t parent, const std::vector<int32_t>& tokens);

  /// Removes the nodes from `size` on, all of which append() must have added.
  void truncate(int32_t size);

  int32_t size() const { return static_cast<int32_t>(token_.size()); }
  int32_t parent(int32_t node) const { return parent_[static_cast<size_t>(node)]; }
  int32_t token(int32_t node) const { return token_[static_cast<size_t>(node)]; }
  /// Position of the token: 0 for a root.
  int32_t depth(int32_t node) const { return depth_[static_cast<size_t>(node)]; }

  /// The same tree with nodes in depth-first order (a node's descendants follow it directly; children keep
  /// their order of arrival). `new_index[old node]` is a node's new index.
  TokenTree depth_first(std::vector<int32_t>& new_index) const;

 private:
  std::vector<int32_t> parent_, token_, depth_;
  std::unordered_map<uint64_t, int32_t> child_of_;  // (parent + 1, token) -> node
};

}  // namespace apportion
