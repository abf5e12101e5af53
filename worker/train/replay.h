// Replay: prompts that training is not about, which join its steps so that the model stays as it was there.
// Which rows a step takes is a function of the seed; the base's hidden rows at their positions are computed
// once, before a weight moves. The term itself is losses/retention.h's, the prompts are shared/data/keep.h's.
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
/// be null. Collective as kept_hidden: a rank without rows joins.
at::Tensor answer_log_probs(const Llama& model, const Adapter* adapter,
                            const std::vector<const ReplayRow*>& rows);

class Replay {
 public:
  /// `per_step` of `rows` join each step, in turns over their groups; an epoch takes each once.
  Replay(std::vector<ReplayRow> rows, int per_step, uint64_t seed);

  /// Computes the hidden rows, of the base with the adapter (null: alone), of all that the first `steps`
  /// steps take. The units that they go through the model in are a function of the rows alone; the ranks of
  /// `group` take some each. Collective.
  void prepare(const Llama& base, const Adapter* adapter, Collectives& group, int steps);

  /// Where all weights are trained, the head among them: the base's own, which makes log-probs of its hidden
  /// rows. It is all that the term needs of the base.
  void keep_head(std::unique_ptr<Vocabulary> head) { head_ = std::move(head); }
  /// Null: the head of the model that is trained is the base's.
  const Vocabulary* head() const { return head_.get(); }

  /// Rows of a step, dealt to its micro-batches; neighbours share beginnings.
  std::vector<std::vector<int>> parts_of(int step, int micro_batches) const;
  int per_step() const { return per_step_; }
  const ReplayRow& row(int index) const { return rows_[static_cast<size_t>(index)]; }
  /// float32 [kept_positions, C]; after prepare().
  const at::Tensor& base_hidden(int index) const { return base_hidden_[static_cast<size_t>(index)]; }
  /// What a row's answer weighs beside its prompt's end, so that answers weigh as much as ends: rows without
  /// an answer are made up for.
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
