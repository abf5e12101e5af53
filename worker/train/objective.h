// What a training stage asks of each step, as a value: which answers to pack, whether it needs log-probs
// under the model that the stage starts from, what the losses read from the whole batch, and the loss of a
// micro-batch. One loop runs all stages (trainer.h); losses/ has the formulas.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "shared/config/method.h"
#include "shared/config/run_config.h"
#include "worker/train/batch.h"

namespace apportion {

/// A micro-batch after the forward pass. `log_prob_E`: log-probs of its prompts' edges; `reference_E`: the
/// same under the model that the stage starts from, undefined if the objective needs none;
/// `story_log_prob_S`: log-probs of its stories' edges; `kept_kl_N`: KL from the base of its replay rows.
struct MicroBatchPass {
  const MicroBatch& batch;
  at::Tensor log_prob_E, reference_E, story_log_prob_S, kept_kl_N;
};

/// What micro-batches know about the whole batch: its number of prompts, and sums over all micro-batches of
/// the group.
struct BatchTotals {
  double prompts = 0;
  std::vector<double> sums;
};

/// A micro-batch's part of BatchTotals::sums: values known on the host, then values on the device, float32
/// [n].
struct Contribution {
  std::vector<double> known;
  at::Tensor computed;
};

/// Loss of a micro-batch and its parts, already divided by the size of the global batch.
struct Loss {
  at::Tensor total;
  at::Tensor kto = {};  // undefined: no such part
};

/// KTO's reference point: the mean of r over the batch's mismatched pairs, clamped at 0 for the loss.
struct ReferencePoint {
  double z = 0, unclamped = 0;
};

struct Objective {
  Packing packing;
  bool needs_reference = false;
  /// Each prompt needs another prompt in its batch.
  bool needs_two_prompts = false;
  int steps = 0;
  double learning_rate = 0;
  StopConfig stop;
  OptimizerConfig optimizer;
  double largest_weight = 1;  // of the loss's terms; other weights are multiplied by it

  /// This micro-batch's part of BatchTotals::sums, the same number of values from each; null: there are no
  /// sums.
  std::function<Contribution(const MicroBatchPass&)> contribution;
  std::function<ReferencePoint(const BatchTotals&)> reference_point;  // null: zeros
  std::function<Loss(const MicroBatchPass&, const BatchTotals&)> loss;
};

/// log q_j of each prompt's categories: from their steering tokens, or summed over their paths. [I, K]
at::Tensor category_log_probs(const MicroBatch& batch, const at::Tensor& log_prob_E);

/// Stage 1. `style`: the style of the prompts' answers.
Objective sft_objective(const SftConfig& config, const OptimizerConfig& optimizer, AnswerStyle style);

/// Stage 2: kl_weight L_KL + text_weight L_text + kto_weight L_KTO, where L_text is stage 1's loss (split)
/// after the first position. Without KTO there is neither L_text nor a reference. A term of weight 0 is not
/// computed. clip_norm is in units of the largest weight.
Objective calibrate_objective(const CalibrateConfig& config, const OptimizerConfig& optimizer);

/// Learns the preferences in the prompts' pairs of plain answers, with config's steps, rate and beta.
Objective dpo_objective(const CalibrateConfig& config, const OptimizerConfig& optimizer);

/// The stage's objective: those of the terms above that it has, with the job's weights.
Objective objective_of(const Stage& stage, const RunConfig& config);

}  // namespace apportion
