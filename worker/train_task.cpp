// The training tasks: stage 1 from a fresh adapter, stage 2 from stage 1's.
#include <ATen/ATen.h>

#include <algorithm>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/config/method.h"
#include "shared/data/example.h"
#include "shared/store/task_file.h"
#include "worker/device.h"
#include "worker/losses/kto.h"
#include "worker/models/adapter_file.h"
#include "worker/tasks.h"
#include "worker/train/trainer.h"

namespace apportion {
namespace {

constexpr double progress_interval_s = 0.5;

/// Sends a step's figures to the coordinator, at most twice a second and always the last.
class ProgressSender {
 public:
  ProgressSender(const TaskContext& context, double peak)
      : context_(context), peak_(peak * context.collectives.size()) {}

  void operator()(const StepReport& step) {
    ++made_;
    tokens_ += step.tokens;
    flops_ += step.flops;
    seconds_ += step.seconds;
    const bool last = step.step + 1 == step.steps;
    if (context_.collectives.group_rank() != 0 || (!last && seconds_now() - sent_ < progress_interval_s))
      return;
    sent_ = seconds_now();
    Progress progress;
    progress.task_id = context_.task.id;
    progress.stage = context_.task.label;
    progress.step = step.step + 1;
    progress.steps = step.steps;
    progress.loss = step.loss;
    progress.kl = step.kl;
    progress.coverage = step.coverage;
    progress.tokens_per_second = tokens_ / seconds_;
    progress.peak_share = flops_ / seconds_ / peak_;
    progress.seconds_left = seconds_ / made_ * (step.steps - step.step - 1);
    context_.link.send(coordinator_address, progress);
  }

 private:
  const TaskContext& context_;
  double peak_;
  int made_ = 0;  // steps, those before a checkpoint not counted
  double sent_ = 0, tokens_ = 0, flops_ = 0, seconds_ = 0;
};

/// Where the task's state is saved and, unless everything is done anew, looked for.
TrainCheckpoint make_checkpoint(const TaskContext& context) {
  const OutputConfig& output = context.session.config().output;
  const std::string folder = checkpoint_directory(output.directory, context.task.id);
  if (output.force && context.collectives.group_rank() == 0) remove_directory(folder);
  context.collectives.barrier();
  auto say = [&context](TrainCheckpoint::Note note, const std::string& text) {
    context.link.send(coordinator_address,
                      Note{context.task.id, text, note == TrainCheckpoint::Note::warning});
  };
  return {{folder, context.task.id, output.checkpoint_steps}, context.collectives, say};
}

void say(const TaskContext& context, const std::string& text, bool warning) {
  if (context.collectives.group_rank() != 0) return;
  context.link.send(coordinator_address, Note{context.task.id, text, warning});
}

/// The balance of KTO's weights over all training prompts, said before the stage that uses them.
void say_balance(const TaskContext& context, const std::vector<TrainPrompt>& prompts,
                 const KtoConfig& config) {
  double accepted = 0, rejected = 0;
  for (const TrainPrompt& prompt : prompts) {
    for (const auto& answer : prompt.answers) (answer.accepted ? accepted : rejected) += answer.weight;
  }
  const KtoBalance balance = kto_balance(accepted, rejected, config);
  say(context, balance.text, !balance.in_range);
}

void run_stage(const TaskContext& context, const Stage& stage, const std::vector<TrainPrompt>& prompts,
               Trainer& trainer) {
  const RunConfig& config = context.session.config();
  if (stage.has(LossTerm::sft)) return trainer.run_sft(config.sft);
  if (stage.has(LossTerm::dpo)) return trainer.run_dpo(config.calibrate);
  CalibrateConfig calibrate = config.calibrate;
  if (!stage.has(LossTerm::steering_kl)) calibrate.kl_weight = 0;
  if (!stage.has(LossTerm::kto)) calibrate.kto_weight = 0;
  if (calibrate.kto_weight == 0) return trainer.run_calibrate(calibrate);
  say_balance(context, prompts, calibrate.kto);
  trainer.run_calibrate(calibrate);
  const std::vector<double>& z = trainer.log().z_unclamped;
  const auto clamped = std::count_if(z.begin(), z.end(), [](double value) { return value < 0; });
  say(context,
      "KTO's z was below 0, and so clamped, in " + std::to_string(clamped) + " of " +
          std::to_string(z.size()) + " steps",
      false);
}

}  // namespace

Done run_training(const TaskContext& context) {
  Session& session = context.session;
  const RunConfig& config = session.config();
  const Stage stage = stage_of(context.task);
  const bool calibrate = context.task.kind == "calibrate";
  const at::ScalarType type = resolve_compute_type(config.train_compute_type);
  const Llama& model = session.model(type, context.shard_ranks);
  const auto subjects = subjects_of(session.dataset(), "train", config.data.subjects);
  auto prompts = train_prompts(
      session.dataset(),
      prompts_of(session.dataset(), "train", config.data.holdout_wordings, config.data.subjects), subjects,
      session.chat(), config.data.seed, stage.answers);
  if (!calibrate && config.sft.wrong_text > 0) plant_wrong_text(prompts, config.sft.wrong_text);
  Adapter adapter = calibrate
                        ? load_adapter(adapter_directory(config.output.directory, context.task.inputs.at(0)),
                                       session.shape(), session.device())
                        : Adapter(session.shape(), config.lora, config.data.seed, session.device());

  TrainCheckpoint checkpoint = make_checkpoint(context);
  ProgressSender sender(context, session.peak(type));
  // The stages shuffle differently: a batch of stage 2 is not one of stage 1.
  const uint64_t seed = config.data.seed * 2 + (calibrate ? 1 : 0);
  Trainer trainer(model, adapter, prompts, config.batch, config.optimizer, seed, context.collectives,
                  std::ref(sender), &checkpoint, config.ranks.recompute);
  run_stage(context, stage, prompts, trainer);
  checkpoint.finish();

  Done done;
  done.micro_batches = trainer.micro_batches();
  if (context.collectives.group_rank() == 0) {
    done.log = trainer.log();
    done.adapter_digest =
        save_adapter(adapter_directory(config.output.directory, context.task.id), adapter, config.data.model);
  }
  return done;
}

}  // namespace apportion
