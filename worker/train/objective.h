// What a stage of training asks of each step, as a value: which answers are packed, whether log-probs under
// the model that the stage starts from are needed, what of the whole batch the losses read, and the loss of a
// micro-batch. One loop runs them all (trainer.h); the formulas are losses/'s.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "shared/config/method.h"
#include "shared/config/run_config.h"
#include "worker/train/batch.h"

namespace apportion {

/// A micro-batch that went forward. `log_prob_E`: of its prompts' edges; `reference_E`: the same under the
/// model that the stage starts from, undefined where the objective needs none; `story_log_prob_S`: of its
/// stories' edges; `kept_kl_N`: KL from the base of its replay rows.
struct MicroBatchPass {
  const MicroBatch& batch;
  at::Tensor log_prob_E, reference_E, story_log_prob_S, kept_kl_N;
};

/// What micro-batches know of the whole batch: its prompts, and sums over all micro-batches of the group.
struct BatchTotals {
  double prompts = 0;
  std::vector<double> sums;
};

/// A micro-batch's part of BatchTotals::sums: what the host knows, then what the device has, float32 [n].
struct Contribution {
  std::vector<double> known;
  at::Tensor computed;
};

/// Loss of a micro-batch and its parts, divided by the global batch already.
struct Loss {
  at::Tensor total;
  at::Tensor kto = {};  // undefined: there is no such part
};

/// KTO's reference point: the mean of r over the batch's mismatched pairs, clamped at 0 for the loss.
struct ReferencePoint {
  double z = 0, unclamped = 0;
};

struct Objective {
  Packing packing;
  bool needs_reference = false;
  /// Each prompt needs another one of its batch.
  bool needs_two_prompts = false;
  int steps = 0;
  double learning_rate = 0;
  StopConfig stop;
  OptimizerConfig optimizer;
  double largest_weight = 1;  // of the loss's terms: what other terms' weights are taken times

  /// This micro-batch's part of BatchTotals::sums, the same number of values from each; without one there are
  /// none.
  std::function<Contribution(const MicroBatchPass&)> contribution;
  std::function<ReferencePoint(const BatchTotals&)> reference_point;  // without one: zeros
  std::function<Loss(const MicroBatchPass&, const BatchTotals&)> loss;
};

/// log q_j of each prompt's categories: of their steering tokens, or summed over their paths. [I, K]
at::Tensor category_log_probs(const MicroBatch& batch, const at::Tensor& log_prob_E);

/// Stage 1. `style` is that of the prompts' answers.
Objective sft_objective(const SftConfig& config, const OptimizerConfig& optimizer, AnswerStyle style);

/// Stage 2: kl_weight L_KL + text_weight L_text + kto_weight L_KTO, L_text being stage 1's loss (split)
/// behind the first position, and without KTO not there; a term of weight 0 is not computed, and without KTO
/// there is no reference. clip_norm counts in units of the largest weight.
Objective calibrate_objective(const CalibrateConfig& config, const OptimizerConfig& optimizer);

/// Preferences between the prompts' pairs of plain answers: config's steps, rate and beta.
Objective dpo_objective(const CalibrateConfig& config, const OptimizerConfig& optimizer);

/// The stage's: of the terms of these those that it has, at the job's weights.
Objective objective_of(const Stage& stage, const RunConfig& config);

}  // namespace apportion
