#include "worker/tree/token_tree.h"

#include "shared/base/error.h"

namespace apportion {
namespace {

uint64_t key_of(int32_t parent, int32_t token) {
  return (static_cast<uint64_t>(parent + 1) << 32) | static_cast<uint32_t>(token);
}

}  // namespace

int32_t TokenTree::append(int32_t parent, int32_t token) {
  ensure(parent >= no_node && parent < size(), "a node's parent is in the tree");
  parent_.push_back(parent);
  token_.push_back(token);
  depth_.push_back(parent == no_node ? 0 : depth(parent) + 1);
  return size() - 1;
}

void TokenTree::truncate(int32_t new_size) {
  ensure(new_size >= 0 && new_size <= size(), "a tree is cut back to nodes that it has");
  for (auto* column : {&parent_, &token_, &depth_}) column->resize(static_cast<size_t>(new_size));
}

int32_t TokenTree::child(int32_t parent, int32_t token) {
  auto [entry, added] = child_of_.try_emplace(key_of(parent, token), size());
  if (added) append(parent, token);
  return entry->second;
}

int32_t TokenTree::add_path(int32_t parent, const std::vector<int32_t>& tokens) {
  for (int32_t token : tokens) parent = child(parent, token);
  return parent;
}

TokenTree TokenTree::depth_first(std::vector<int32_t>& new_index) const {
  std::vector<std::vector<int32_t>> children(token_.size() + 1);
  for (int32_t node = 0; node < size(); ++node)
    children[static_cast<size_t>(int64_t{parent(node)} + 1)].push_back(node);
  new_index.assign(token_.size(), no_node);
  TokenTree sorted;
  std::vector<int32_t> stack(children[0].rbegin(), children[0].rend());
  while (!stack.empty()) {
    int32_t node = stack.back();
    stack.pop_back();
    int32_t above = parent(node) == no_node ? no_node : new_index[static_cast<size_t>(parent(node))];
    int32_t index = sorted.append(above, token(node));
    sorted.child_of_.emplace(key_of(above, token(node)), index);
    new_index[static_cast<size_t>(node)] = index;
    const auto& below = children[static_cast<size_t>(node) + 1];
    stack.insert(stack.end(), below.rbegin(), below.rend());
  }
  return sorted;
}

}  // namespace apportion
