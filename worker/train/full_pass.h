// A pass of micro-batches through a model all of whose weights are trained: its backward gives each group's
// gradient away as soon as the group's last product is made, so that no rank has the whole model's. Forward,
// and what is kept in between, are block_pass.h's; what becomes of gradients is weight_gradient.h's.
#pragma once

#include <vector>

#include "worker/train/block_pass.h"
#include "worker/train/weight_gradient.h"

namespace apportion {

class FullPass : public BlockPass {
 public:
  /// As BlockPass. `model` trains all; `gradient` has its groups, and outlives the pass.
  FullPass(const Llama& model, std::vector<PassItem> items, Recompute recompute, WeightGradient& gradient);

  /// Adds the gradient of all weights, summed over the items, to `gradient`: the head's chunks, the blocks
  /// from the last, the embedding's chunks, the norms. Returns nothing for each item. Collective over the
  /// ranks that share the base, also with no items.
  std::vector<at::Tensor> backward(const std::vector<at::Tensor>& d_log_prob_E) override;

 private:
  void head_backward(const std::vector<at::Tensor>& d_log_prob_E);
  void block_backward(int64_t layer, size_t bunch);
  void embedding_backward();
  at::Tensor& norms_of(size_t item);
  /// What items have, empty ones undefined, in the order of items: the leaves of the sum over micro-batches.
  std::vector<at::Tensor> by_item(std::vector<at::Tensor> of_present) const;

  WeightGradient& gradient_;
  WeightGroups index_;
  std::vector<at::Tensor> d_stream_;  // of each item, at the place that backward has come to
  std::vector<at::Tensor> d_block_;   // of each item, its block's run
  std::vector<at::Tensor> d_norms_;   // of each item, the norms' run
};

}  // namespace apportion
