// The two stages of training over a group of ranks: forward and backward of this rank's micro-batches, one
// sum of gradients a step, the same AdamW step on every rank. What a batch is: batch.h; the formulas:
// losses/.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "shared/config/run_config.h"
#include "shared/link/message.h"
#include "worker/models/lora.h"
#include "worker/parallel/collectives.h"
#include "worker/train/batch.h"
#include "worker/train/block_pass.h"
#include "worker/train/checkpoint.h"
#include "worker/train/optimizer.h"
#include "worker/train/reference.h"
#include "worker/train/trainee.h"

namespace apportion {

/// One step's figures: sums over the global batch, the same on every rank.
struct StepReport {
  int step = 0, steps = 0;
  double loss = 0, kl = 0, kto = 0, z = 0, z_unclamped = 0, coverage = 0;
  double grad_norm = 0, lr = 0;
  double tokens = 0;   // distinct tree tokens of all micro-batches
  double flops = 0;    // of all micro-batches
  double seconds = 0;  // wall time of the step
};

class Trainer {
 public:
  /// All references must outlive the trainer. `report` is called after every step. With a `checkpoint` one
  /// stage is run, from where it says on. What is trained: all that `trainee` says,
  Trainer(const Llama& model, std::unique_ptr<Trainee> trainee, const std::vector<TrainPrompt>& prompts,
          const BatchConfig& batch, const OptimizerConfig& optimizer, uint64_t seed, Collectives& collectives,
          std::function<void(const StepReport&)> report, TrainCheckpoint* checkpoint = nullptr,
          Recompute recompute = Recompute::never);
  /// or an adapter.
  Trainer(const Llama& model, Adapter& adapter, const std::vector<TrainPrompt>& prompts,
          const BatchConfig& batch, const OptimizerConfig& optimizer, uint64_t seed, Collectives& collectives,
          std::function<void(const StepReport&)> report, TrainCheckpoint* checkpoint = nullptr,
          Recompute recompute = Recompute::never);

  /// The reference of the stage to come is looked for there, and kept there. `say` as in TrainCheckpoint.
  void keep_reference(ReferencePlace place, TrainCheckpoint::Say say);

  /// Stage 1. Collective: every rank of the group.
  void run_sft(const SftConfig& config);

  /// Stage 2 from the adapter as it is: a frozen copy of it is the reference. Loss = kl_weight L_KL +
  /// text_weight L_text + kto_weight L_KTO, L_text being stage 1's loss (split) behind the first position,
  /// and without KTO not there; a term of weight 0 is not computed, and without KTO there is no reference.
  /// clip_norm counts in units of the largest weight.
  /// Throws UserError for KTO on a global batch of one prompt. Collective: every rank of the group.
  void run_calibrate(const CalibrateConfig& config);

  /// Preferences between the prompts' pairs of plain answers, from the adapter as it is, which is the
  /// reference, too: config's steps, rate and beta. Collective: every rank of the group.
  void run_dpo(const CalibrateConfig& config);

  const TrainLog& log() const { return log_; }
  /// Micro-batches that this rank went through forward and backward.
  int64_t micro_batches() const { return micro_batches_; }

 private:
  /// Loss of a micro-batch and its parts, divided by the global batch already.
  struct Loss {
    at::Tensor total;
    double kto = 0;
  };
  /// This rank's micro-batches of a step: what they are, and the log-probs of their edges, of which losses
  /// are functions (undefined for an empty micro-batch).
  struct Forward {
    std::vector<MicroBatch> batches;
    std::vector<at::Tensor> log_prob_E;
    std::unique_ptr<BlockPass> pass;
  };
  Forward forward(int batch, const Packing& packing, BlockPass::Gradient gradient) const;
  /// Under what the stage starts from, of all batches that the first `steps` steps take: read where it is
  /// kept, and kept where it is computed.
  Reference reference_of(int steps, const Packing& packing);
  void need_two_prompts() const;
  /// The mean of r over the global batch's mismatched pairs, clamped and not.
  void estimate_z(const Forward& pass, const std::vector<at::Tensor>& reference, double prompts,
                  StepReport& report) const;
  /// The mean over the global batch of the steering tokens' probabilities less their targets. [K]
  at::Tensor common_error(const Forward& pass, double prompts) const;
  /// A stage's own, of trainee_'s values.
  Optimizer make_optimizer(OptimizerKind kind = OptimizerKind::adamw);
  /// Backward, sum over the group, optimizer's step, log.
  void finish_step(Optimizer& optimizer, Forward& forward, const std::function<Loss(size_t)>& loss_of,
                   StepReport report, double started);
  TrainState state(Optimizer& optimizer) {
    return {trainee_->values(), optimizer, log_, trainee_->state_parts(collectives_)};
  }
  /// The step to begin with: 0, or after those of a checkpoint, whose state is in force then.
  int first_step(Optimizer& optimizer, int steps);
  /// Sums over all micro-batches of the group, in their order; `own` has a row of `columns` for each of ours.
  std::vector<double> sums_over_group(const std::vector<double>& own, size_t columns) const;
  double sum_over_group(const std::vector<double>& own) const;

  const Llama& model_;
  std::unique_ptr<Trainee> trainee_;
  const std::vector<TrainPrompt>& prompts_;
  BatchConfig batch_;
  OptimizerConfig optimizer_config_;
  BatchSchedule schedule_;
  Collectives& collectives_;
  std::function<void(const StepReport&)> report_;
  TrainCheckpoint* checkpoint_;
  std::optional<ReferenceStore> kept_reference_;
  Recompute recompute_;
  TrainLog log_;
  int64_t micro_batches_ = 0;
};

}  // namespace apportion
