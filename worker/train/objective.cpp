// The objectives of the stages; see objective.h.
#include "worker/train/objective.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "worker/losses/dpo.h"
#include "worker/losses/kto.h"
#include "worker/losses/path_log_probs.h"
#include "worker/losses/sft.h"
#include "worker/losses/steering_kl.h"
#include "worker/models/queued_copy.h"

namespace apportion {
namespace {

/// Stage 1's weights without those of the first position, which belongs to the KL. [E]
at::Tensor text_weights(const MicroBatch& batch) {
  return batch.sft_weight_E.index_fill(0, batch.steering_IK.flatten(), 0);
}

/// The steering tokens' probabilities minus their targets, summed over the micro-batch's prompts. [K]
at::Tensor summed_error(const MicroBatchPass& pass) {
  return (category_log_probs(pass.batch, pass.log_prob_E).exp() - pass.batch.target_IK).sum(0);
}

double largest_weight_of(const CalibrateConfig& config) {
  const double kto = config.kto_weight, text = kto > 0 ? config.text_weight : 0;
  return std::max({config.kl_weight, text, kto});
}

OptimizerConfig of_kind(OptimizerConfig optimizer, OptimizerKind kind) {
  optimizer.kind = kind;
  return optimizer;
}

/// Sums over the batch: first the weights of all answers, then the error that its prompts have in common.
Objective steered_split_objective(Objective objective, const SftConfig& config) {
  objective.packing.text_every = config.text_every;
  objective.contribution = [](const MicroBatchPass& pass) -> Contribution {
    return {{pass.batch.sft_normalizer}, summed_error(pass)};
  };
  const double common_weight = config.common_weight;
  objective.loss = [common_weight](const MicroBatchPass& pass, const BatchTotals& totals) -> Loss {
    const std::vector<double> summed(totals.sums.begin() + 1, totals.sums.end());
    const at::Tensor error_K =
        queued_copy(at::tensor(summed).div_(totals.prompts).to(at::kFloat), pass.log_prob_E.device());
    at::Tensor loss = sft_loss(pass.log_prob_E, pass.batch.sft_weight_E, totals.sums[0]);
    at::Tensor q_IK = category_log_probs(pass.batch, pass.log_prob_E);
    return {loss + (1 - common_weight) * common_error_term(q_IK, error_K, totals.prompts)};
  };
  return objective;
}

}  // namespace

at::Tensor category_log_probs(const MicroBatch& batch, const at::Tensor& log_prob_E) {
  if (batch.paths.weight_A.numel() > 0) {
    return path_log_probs(log_prob_E, batch.paths, batch.target_IK.size(0), batch.target_IK.size(1));
  }
  return pick(log_prob_E, batch.steering_IK);
}

Objective sft_objective(const SftConfig& config, const OptimizerConfig& optimizer, AnswerStyle style) {
  Objective objective;
  objective.packing = {AnswerSet::accepted, config.weights, {}, config.text_weight};
  objective.steps = config.steps;
  objective.learning_rate = config.learning_rate;
  objective.stop = config.stop;
  objective.optimizer = of_kind(optimizer, config.optimizer);
  if (config.weights == SftWeights::split && style == AnswerStyle::steered)
    return steered_split_objective(std::move(objective), config);
  objective.contribution = [](const MicroBatchPass& pass) -> Contribution {
    return {{pass.batch.sft_normalizer}, {}};
  };
  objective.loss = [](const MicroBatchPass& pass, const BatchTotals& totals) -> Loss {
    return {sft_loss(pass.log_prob_E, pass.batch.sft_weight_E, totals.sums[0])};
  };
  return objective;
}

Objective calibrate_objective(const CalibrateConfig& config, const OptimizerConfig& optimizer) {
  const bool kto = config.kto_weight > 0;
  Objective objective;
  objective.packing = {kto ? AnswerSet::accepted_rejected_mismatched : AnswerSet::none, SftWeights::split,
                       config.kto};
  objective.needs_reference = objective.needs_two_prompts = kto;
  objective.steps = config.steps;
  objective.learning_rate = config.learning_rate;
  objective.largest_weight = largest_weight_of(config);
  objective.optimizer = of_kind(optimizer, OptimizerKind::adamw);
  // A common factor of the weights changes none of AdamW's steps (apart from epsilon), so clip_norm is meant
  // for a largest weight of 1. If gradients were clipped at 1 as they are, all of stage 2 (norms of 2 to 46)
  // would have the same length however near the target is, and the shares would swing about it until the rate
  // falls.
  objective.optimizer.clip_norm *= objective.largest_weight;
  if (!kto) {
    objective.loss = [config](const MicroBatchPass& pass, const BatchTotals& totals) -> Loss {
      const at::Tensor q_IK = category_log_probs(pass.batch, pass.log_prob_E);
      return {config.kl_weight * steering_kl(q_IK, pass.batch.target_IK, totals.prompts)};
    };
    return objective;
  }
  objective.contribution = [](const MicroBatchPass& pass) -> Contribution {
    const AnswerEdges& mismatched = pass.batch.mismatched;
    at::Tensor r_A = log_ratios(pass.log_prob_E, pass.reference_E, mismatched);
    return {{}, (r_A * mismatched.weight_A).sum().view({1})};
  };
  objective.reference_point = [](const BatchTotals& totals) -> ReferencePoint {
    const double mean = totals.sums[0] / totals.prompts;
    return {std::max(0.0, mean), mean};
  };
  objective.loss = [config, point = objective.reference_point](const MicroBatchPass& pass,
                                                               const BatchTotals& totals) -> Loss {
    at::Tensor kl =
        steering_kl(category_log_probs(pass.batch, pass.log_prob_E), pass.batch.target_IK, totals.prompts);
    at::Tensor r_A = log_ratios(pass.log_prob_E, pass.reference_E, pass.batch.answers);
    at::Tensor kto_term = kto_loss(r_A, pass.batch.answers, point(totals).z, config.kto, totals.prompts);
    at::Tensor text = sft_loss(pass.log_prob_E, text_weights(pass.batch), totals.prompts);
    return {config.kl_weight * kl + config.text_weight * text + config.kto_weight * kto_term,
            kto_term.detach()};
  };
  return objective;
}

Objective dpo_objective(const CalibrateConfig& config, const OptimizerConfig& optimizer) {
  Objective objective;
  objective.packing = {AnswerSet::pairs};
  objective.needs_reference = true;
  objective.steps = config.steps;
  objective.learning_rate = config.learning_rate;
  objective.optimizer = of_kind(optimizer, OptimizerKind::adamw);
  objective.loss = [beta = config.kto.beta](const MicroBatchPass& pass, const BatchTotals& totals) -> Loss {
    const MicroBatch& batch = pass.batch;
    at::Tensor accepted_r_Q = log_ratios(pass.log_prob_E, pass.reference_E, batch.preferred);
    at::Tensor rejected_r_Q = log_ratios(pass.log_prob_E, pass.reference_E, batch.dispreferred);
    return {dpo_loss(accepted_r_Q, rejected_r_Q, batch.preferred.weight_A, beta, totals.prompts)};
  };
  return objective;
}

Objective objective_of(const Stage& stage, const RunConfig& config) {
  if (stage.has(LossTerm::sft)) return sft_objective(config.sft, config.optimizer, stage.answers);
  if (stage.has(LossTerm::dpo)) return dpo_objective(config.calibrate, config.optimizer);
  CalibrateConfig calibrate = config.calibrate;
  if (!stage.has(LossTerm::steering_kl)) calibrate.kl_weight = 0;
  if (!stage.has(LossTerm::kto)) calibrate.kto_weight = 0;
  return calibrate_objective(calibrate, config.optimizer);
}

}  // namespace apportion
