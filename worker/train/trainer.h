// The one training loop over a group of ranks: forward and backward of this rank's micro-batches, one sum of
// gradients a step, the same optimizer step on every rank. objective.h has the goals of a step, batch.h its
// batches.
#pragma once

#include <array>
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
#include "worker/train/objective.h"
#include "worker/train/optimizer.h"
#include "worker/train/reference.h"
#include "worker/train/replay.h"
#include "worker/train/stories.h"
#include "worker/train/trainee.h"

namespace apportion {

/// One step's figures: sums over the global batch, the same on every rank.
struct StepReport {
  int step = 0, steps = 0;
  double loss = 0, kl = 0, kto = 0, z = 0, z_unclamped = 0, coverage = 0;
  double retain = 0;  // mean KL from the base of the replay rows
  double grad_norm = 0, lr = 0;
  double tokens = 0;   // distinct tree tokens of all micro-batches
  double flops = 0;    // of all micro-batches
  double seconds = 0;  // wall time of the step
};

/// What a trainer works with; references must outlive it. `report` is called after every step. With a
/// `checkpoint` the trainer runs one stage, from where the checkpoint left it.
struct TrainerSetup {
  const Llama& model;
  const std::vector<TrainPrompt>& prompts;
  BatchConfig batch;
  OptimizerConfig optimizer;
  uint64_t seed;
  Collectives& collectives;
  std::function<void(const StepReport&)> report;
  TrainCheckpoint* checkpoint = nullptr;
  Recompute recompute = Recompute::never;
  const Replay* replay = nullptr;    // prepared for all steps of the stage; null: no replay
  double retain_weight = 1;          // of the replay rows' KL, in units of the objective's largest weight
  const Stories* stories = nullptr;  // null: no training on stories
  std::function<void(int64_t batch, int64_t all)> reference_told =
      nullptr;  // called while the reference is computed
};

class Trainer {
 public:
  /// Trains `trainee`, or an adapter.
  Trainer(TrainerSetup setup, std::unique_ptr<Trainee> trainee);
  Trainer(const TrainerSetup& setup, Adapter& adapter);

  /// The next stage's reference is looked for at `place`, and kept there. `say`: as in TrainCheckpoint.
  void keep_reference(ReferencePlace place, TrainCheckpoint::Say say);

  /// Runs a stage from the trainee's present state, which also serves as the reference. Throws UserError for
  /// a global batch of one prompt if the objective needs two. Collective: every rank of the group.
  void run(const Objective& objective);
  void run_sft(const SftConfig& config);
  void run_calibrate(const CalibrateConfig& config);
  void run_dpo(const CalibrateConfig& config);

  const TrainLog& log() const { return log_; }
  /// Number of micro-batches that this rank has computed forward and backward.
  int64_t micro_batches() const { return micro_batches_; }

 private:
  /// This rank's micro-batches of a step, and the log-probs of their edges, from which losses are computed
  /// (undefined for an empty micro-batch).
  struct Forward {
    std::vector<MicroBatch> batches;
    std::vector<at::Tensor> log_prob_E;
    std::unique_ptr<BlockPass> pass;
  };
  /// A step's rows besides its prompts, for each micro-batch of all ranks; empty if there are none.
  struct Joining {
    std::vector<std::vector<int>> replay;
    std::vector<std::vector<StoryRow>> stories;
  };
  Forward forward(int batch, const Packing& packing, BlockPass::Gradient gradient,
                  const Joining& joining = {}) const;
  void add_base_rows(const std::vector<int>& replay, MicroBatch& packed) const;
  /// The reference, under what the stage starts from, of all batches that the first `steps` steps take. Reads
  /// what is kept, and keeps what it computes.
  Reference reference_of(int steps, const Packing& packing);
  void need_two_prompts() const;
  void run_step(const Objective& objective, Optimizer& optimizer, const Reference& reference,
                StepReport report);
  BatchTotals totals_of(const Objective& objective, const std::vector<MicroBatchPass>& parts,
                        int batch) const;
  /// Figures of a micro-batch that the device computes: scalars, undefined where there is none.
  enum ComputedFigure : size_t {
    computed_loss,
    computed_kto,
    computed_stories,  // sum of weighted log-probs
    computed_retain,
    computed_kl,
    computed_coverage,
    computed_figures
  };
  using ComputedFigures = std::array<at::Tensor, computed_figures>;
  /// The gradient of the losses with respect to each micro-batch's log-probs; `computed` receives its
  /// figures.
  std::vector<at::Tensor> losses(const Objective& objective, std::vector<MicroBatchPass>& parts,
                                 const BatchTotals& totals, std::vector<ComputedFigures>& computed);
  /// Each micro-batch's row of the step's figures. The host waits for the device once.
  std::vector<double> figures_of(const Objective& objective, const std::vector<MicroBatchPass>& parts,
                                 const std::vector<ComputedFigures>& computed) const;
  /// The micro-batch's part of the retention term, a mean over the step's replay rows; its gradient is put
  /// behind that of the edges.
  at::Tensor add_retention(const Objective& objective, const MicroBatchPass& part, at::Tensor& d_E) const;
  /// The stories' weighted log-probs; the gradient of the term, which is their negative, is put behind that
  /// of the prompts' edges.
  at::Tensor add_stories(const Objective& objective, const MicroBatchPass& part, at::Tensor& d_E) const;
  void finish_step(Optimizer& optimizer, const std::vector<double>& figures, StepReport& report,
                   double started);
  TrainState state(Optimizer& optimizer) {
    return {trainee_->values(), optimizer, log_, trainee_->state_parts(setup_.collectives)};
  }
  /// The step to begin with: 0, or the one after a checkpoint, whose state is then loaded.
  int first_step(Optimizer& optimizer, int steps);

  TrainerSetup setup_;
  std::unique_ptr<Trainee> trainee_;
  BatchSchedule schedule_;
  std::optional<ReferenceStore> kept_reference_;
  TrainLog log_;
  int64_t micro_batches_ = 0;
};

}  // namespace apportion
