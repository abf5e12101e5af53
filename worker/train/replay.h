// Replay: prompts that training is not about, which join its steps to keep the model as it was there. The
// seed decides which rows a step takes. The base's hidden rows at their positions are computed once, before
// any weight changes. The loss term: losses/retention.h; the prompts: shared/data/keep.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "worker/parallel/collectives.h"
#include "worker/train/batch.h"

namespace apportion {

/// The final norm's rows at the kept positions of each of `trees`, float32 [N, C]; `adapter` may be null.
/// Collective over the ranks that hold the model together.
std::vector<at::Tensor> kept_hidden(const Llama& model, const Adapter* adapter,
                                    const std::vector<ReplayTree>& trees);

/// Log-probs of all tokens of the rows' answers, one after another, float32 [N] in host memory; `adapter` may
/// be null. Collective like kept_hidden, even for a rank without rows.
at::Tensor answer_log_probs(const Llama& model, const Adapter* adapter,
                            const std::vector<const ReplayRow*>& rows);

class Replay {
 public:
  /// `per_step` of `rows` join each step, taking turns over their groups; an epoch takes each row once.
  Replay(std::vector<ReplayRow> rows, int per_step, uint64_t seed);

  /// Computes hidden rows, under the base with the adapter (null: without), for all rows that the first
  /// `steps` steps take. They go through the model in units that depend on the rows alone; each rank of
  /// `group` takes some. Collective.
  void prepare(const Llama& base, const Adapter* adapter, Collectives& group, int steps);

  /// Keeps the base's own head, for when all weights are trained, including the model's head. It turns hidden
  /// rows into log-probs, and the term needs nothing else of the base.
  void keep_head(std::unique_ptr<Vocabulary> head) { head_ = std::move(head); }
  /// Null: the trained model's head is the base's.
  const Vocabulary* head() const { return head_.get(); }

  /// A step's rows, dealt to its micro-batches; neighbours share beginnings.
  std::vector<std::vector<int>> parts_of(int step, int micro_batches) const;
  int per_step() const { return per_step_; }
  const ReplayRow& row(int index) const { return rows_[static_cast<size_t>(index)]; }
  /// float32 [kept_positions, C]; after prepare().
  const at::Tensor& base_hidden(int index) const { return base_hidden_[static_cast<size_t>(index)]; }
  /// Weight of a row's answer relative to its prompt's end. It makes up for rows without an answer, so that
  /// over all rows answers weigh as much as ends.
  double text_weight() const { return text_weight_; }

 private:
  std::vector<int> rows_of_steps(int steps) const;

  std::vector<ReplayRow> rows_;
  int per_step_;
  BatchSchedule schedule_;
  double text_weight_ = 0;
  std::vector<at::Tensor> base_hidden_;
  std::unique_ptr<Vocabulary> head_;
};

}  // namespace apportion
