// A pass of micro-batches through a model whose weights are all trained. Its backward hands over each group's
// gradient as soon as the group's last product is done, so no rank holds the whole model's gradient.
// block_pass.h has the forward pass and what is kept in between, weight_gradient.h what becomes of gradients.
#pragma once

#include <vector>

#include "worker/train/block_pass.h"
#include "worker/train/weight_gradient.h"

namespace apportion {

class FullPass : public BlockPass {
 public:
  /// As for BlockPass. `model` trains all weights; `gradient` has its groups and must outlive the pass.
  FullPass(const Llama& model, std::vector<PassItem> items, Recompute recompute, WeightGradient& gradient);

  /// Adds the gradient of all weights, summed over the items, to `gradient`: the head's chunks, the blocks
  /// from the last, the embedding's chunks, the norms. Returns an empty list. Collective over the ranks that
  /// share the base, even without items.
  std::vector<at::Tensor> backward(const std::vector<at::Tensor>& d_log_prob_E) override;

 private:
  void head_backward(const std::vector<at::Tensor>& d_log_prob_E);
  void block_backward(int64_t layer, size_t bunch);
  void embedding_backward();
  at::Tensor& norms_of(size_t item);
  /// `of_present` spread over all items in order, undefined for empty ones: the leaves of the sum over
  /// micro-batches.
  std::vector<at::Tensor> by_item(std::vector<at::Tensor> of_present) const;

  WeightGradient& gradient_;
  WeightGroups index_;
  std::vector<at::Tensor> d_stream_;  // of each item, where backward has got to
  std::vector<at::Tensor> d_block_;   // of each item, its block's run
  std::vector<at::Tensor> d_norms_;   // of each item, the norms' run
};

}  // namespace apportion
