// One pass of a rank's micro-batches forward and backward through the model, block by block: a block's
// weights are asked for once for all micro-batches, in the forward pass and again in the backward pass, so
// that sharded ones are gathered twice a step and none is kept in between. Where a row's results do not
// depend on the rows beside it, the micro-batches of a lane go through the blocks together. Which losses
// there are is trainer.h's business.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "shared/config/run_config.h"
#include "worker/losses/log_probs.h"
#include "worker/losses/retention.h"
#include "worker/models/llama.h"

namespace apportion {

/// A micro-batch's tree, the edges that are read of it, and its kept rows (null: none). Null rows: an empty
/// micro-batch, which costs nothing.
struct PassItem {
  const TokenRows* rows = nullptr;
  const EdgeIndex* edges = nullptr;
  const KeptRows* kept = nullptr;
};

class BlockPass {
 public:
  /// All references must outlive the pass. Rows are in host memory: they are joined there, then
  /// moved to the model's device. With Recompute::always only the blocks' inputs are kept for the
  /// backward pass, which computes each block once more.
  BlockPass(const Llama& model, const Adapter& adapter, std::vector<PassItem> items, Recompute recompute);
  virtual ~BlockPass() = default;
  BlockPass(const BlockPass&) = delete;
  BlockPass& operator=(const BlockPass&) = delete;

  /// Log-probs of each item's edges, then the KL of each of its kept rows: float32 [E + N] without gradient;
  /// undefined for an empty item. `Gradient::none` keeps nothing for backward(). Collective over the ranks
  /// that share the base. The base's logits of kept rows are `base_head`'s, on every rank, or (null) the
  /// model's own head's, which then has to be the base's.
  enum class Gradient { none, wanted };
  std::vector<at::Tensor> forward(Gradient gradient, const Vocabulary* base_head = nullptr);
  /// How many ways through the blocks the items take, alone or together.
  size_t bunches() const { return bunches_.size(); }

  /// The gradient of all adapter values, float32 [n], for each item, from that of its log-probs; zeros for an
  /// empty item. Once after forward(Gradient::wanted). Collective likewise.
  virtual std::vector<at::Tensor> backward(const std::vector<at::Tensor>& d_log_prob_E);

 protected:
  /// Without an adapter all weights are trained (full_pass.h).
  BlockPass(const Llama& model, const Adapter* adapter, std::vector<PassItem> items, Recompute recompute);

  /// Items that go through the blocks together, one after the other in their order.
  struct Bunch {
    size_t first_present;  // index of the first item among those present; the others follow it
    std::vector<size_t> items;
    TokenRows joined;                // of several items, or moved to the model's device
    const TokenRows* rows;           // of the only item, or joined
    std::vector<int64_t> first_row;  // of each item
    std::vector<at::Tensor> found;   // on a GPU: gradients [items, values of a leaf], the last leaf first

    int64_t rows_of(size_t part, const std::vector<PassItem>& all) const {
      return rows->part_rows.empty() ? all[items[part]].rows->plan.rows : rows->part_rows[part];
    }
  };
  /// What a bunch keeps of a block, or an item of the head.
  struct Step {
    at::Tensor in_TC, out_TC;  // out_TC with its graph, unless it is computed again
  };
  struct State {
    Step head;                // from the last block's output to the rows that are read, after the final norm
    at::Tensor log_probs_RV;  // of those rows
    at::Tensor first_R1;      // the first logit of each, of a model that caps them
    at::Tensor kept_NV;       // the gradient of the kept rows' KL by their logits
  };
  /// The gradient of the logits of each item that is not empty, in the compute type.
  std::vector<at::Tensor> logits_gradients(const std::vector<at::Tensor>& d_log_prob_E);
  /// The bunch's block with its graph, which is its caller's from here on; computed again where only its
  /// input was kept.
  Step take_block(int64_t layer, size_t bunch);

  const Llama& model_;
  std::vector<PassItem> items_;
  std::vector<size_t> present_;  // items that are not empty
  Recompute recompute_;
  std::vector<State> state_;
  std::vector<std::unique_ptr<Bunch>> bunches_;  // without joining: one for each present item
  std::vector<std::vector<Step>> block_steps_;   // [bunch][layer]

 private:
  void make_bunches();
  at::Tensor run_block(int64_t layer, size_t bunch, const at::Tensor& x_TC);
  at::Tensor head_rows(size_t item, const at::Tensor& x_TC) const;
  /// Of the present items' rows, then of the base's kept rows of those that have some.
  std::vector<at::Tensor> logits_of(std::vector<at::Tensor> hidden_RC, const Vocabulary* base_head) const;
  bool keeps(size_t item) const { return items_[item].kept && !items_[item].kept->empty(); }
  at::Tensor read_logits(size_t item, at::Tensor logits_RV, const at::Tensor& base_logits_NV, bool wanted);
  /// Whether the gradient of the block's input is asked for: below the lowest block that is trained lies
  /// nothing but what is frozen.
  bool goes_below(int64_t layer) const { return layer > lowest_ || !adapter_; }
  void block_backward(int64_t layer, size_t bunch, at::Tensor& d_TC,
                      const std::vector<at::Tensor>& gradients);
  bool on_gpu() const { return !model_.device().is_cpu(); }

  const Adapter* adapter_;
  const int64_t lowest_;  // block that is passed backward
};

}  // namespace apportion
