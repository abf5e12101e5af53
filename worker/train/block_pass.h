// One pass of a rank's micro-batches forward and backward through the model, block by block: each block's
// weights are requested once for all micro-batches in the forward pass and once in the backward pass. So
// sharded weights are gathered twice a step, and none is kept in between. Where a row's results do not depend
// on the other rows, the micro-batches of a lane go through the blocks together. Losses are trainer.h's.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "shared/config/run_config.h"
#include "worker/losses/log_probs.h"
#include "worker/losses/retention.h"
#include "worker/models/llama.h"

namespace apportion {

/// A micro-batch's tree, the edges to read, and its kept rows (null: none). Null rows: an empty micro-batch,
/// which costs nothing.
struct PassItem {
  const TokenRows* rows = nullptr;
  const EdgeIndex* edges = nullptr;
  const KeptRows* kept = nullptr;
};

class BlockPass {
 public:
  /// All references must outlive the pass. Rows are in host memory: they are joined there, then moved to the
  /// model's device. Recompute::always keeps only the blocks' inputs for the backward pass, which computes
  /// each block again.
  BlockPass(const Llama& model, const Adapter& adapter, std::vector<PassItem> items, Recompute recompute);
  virtual ~BlockPass() = default;
  BlockPass(const BlockPass&) = delete;
  BlockPass& operator=(const BlockPass&) = delete;

  /// Log-probs of each item's edges, then the KL of each of its kept rows: float32 [E + N] without gradient;
  /// undefined for an empty item. `Gradient::none` keeps nothing for backward(). Collective over the ranks
  /// that share the base. `base_head`, on every rank, makes the base's logits of kept rows; null: the model's
  /// own head does, and must be the base's.
  enum class Gradient { none, wanted };
  std::vector<at::Tensor> forward(Gradient gradient, const Vocabulary* base_head = nullptr);
  /// Number of joined groups.
  size_t bunches() const { return bunches_.size(); }

  /// For each item, the gradient of all adapter values, float32 [n], from that of its log-probs; zeros for an
  /// empty item. Call it once after forward(Gradient::wanted). Collective over the ranks that share the base.
  virtual std::vector<at::Tensor> backward(const std::vector<at::Tensor>& d_log_prob_E);

 protected:
  /// Without an adapter all weights are trained (full_pass.h).
  BlockPass(const Llama& model, const Adapter* adapter, std::vector<PassItem> items, Recompute recompute);

  /// Items that go through the blocks together, their rows concatenated in order.
  struct Bunch {
    size_t first_present;  // index of the first item among those present; the others follow it
    std::vector<size_t> items;
    TokenRows joined;                // if several items, or moved to the model's device
    const TokenRows* rows;           // of the only item, or joined
    std::vector<int64_t> first_row;  // of each item
    std::vector<at::Tensor> found;   // GPU: gradients [items, values of a leaf], last leaf first

    int64_t rows_of(size_t part, const std::vector<PassItem>& all) const {
      return rows->part_rows.empty() ? all[items[part]].rows->plan.rows : rows->part_rows[part];
    }
  };
  /// What a bunch keeps for a block, or an item for the head.
  struct Step {
    at::Tensor in_TC, out_TC;  // out_TC with its graph, unless recomputed
  };
  struct State {
    Step head;                // from the last block's output to the rows that are read, after the final norm
    at::Tensor log_probs_RV;  // of those rows
    at::Tensor first_R1;      // each row's first logit, if the model caps logits
    at::Tensor kept_NV;       // gradient of the kept rows' KL with respect to their logits
  };
  /// The gradient of the logits, in the compute type, for each item that is not empty.
  std::vector<at::Tensor> logits_gradients(const std::vector<at::Tensor>& d_log_prob_E);
  /// Hands the bunch's block with its graph to the caller; recomputes it if only its input was kept.
  Step take_block(int64_t layer, size_t bunch);

  const Llama& model_;
  std::vector<PassItem> items_;
  std::vector<size_t> present_;  // items that are not empty
  Recompute recompute_;
  std::vector<State> state_;
  std::vector<std::unique_ptr<Bunch>> bunches_;  // one for each present item if not joined
  std::vector<std::vector<Step>> block_steps_;   // [bunch][layer]

 private:
  void make_bunches();
  at::Tensor run_block(int64_t layer, size_t bunch, const at::Tensor& x_TC);
  at::Tensor head_rows(size_t item, const at::Tensor& x_TC) const;
  /// Logits of the present items' rows, followed by the base's logits of kept rows, for items that have some.
  std::vector<at::Tensor> logits_of(std::vector<at::Tensor> hidden_RC, const Vocabulary* base_head) const;
  bool keeps(size_t item) const { return items_[item].kept && !items_[item].kept->empty(); }
  at::Tensor read_logits(size_t item, at::Tensor logits_RV, const at::Tensor& base_logits_NV, bool wanted);
  /// Whether the gradient of the block's input is needed: everything below the lowest trained block is
  /// frozen.
  bool goes_below(int64_t layer) const { return layer > lowest_ || !adapter_; }
  void block_backward(int64_t layer, size_t bunch, at::Tensor& d_TC,
                      const std::vector<at::Tensor>& gradients);
  bool on_gpu() const { return !model_.device().is_cpu(); }

  const Adapter* adapter_;
  const int64_t lowest_;  // lowest block that backward goes through
};

}  // namespace apportion
