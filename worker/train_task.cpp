// The training tasks: stage 1 from a fresh adapter or the model's weights, stage 2 from what stage 1 left.
#include <ATen/ATen.h>
#include <ATen/Version.h>
#include <torch/headeronly/version.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "shared/base/clock.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/config/method.h"
#include "shared/data/example.h"
#include "shared/link/interrupt.h"
#include "shared/model_files/folder/peft_config.h"
#include "shared/store/task_file.h"
#include "worker/base_answers.h"
#include "worker/device.h"
#include "worker/kernels/micro_kernel.h"
#include "worker/losses/kto.h"
#include "worker/models/adapter_file.h"
#include "worker/models/weights_file.h"
#include "worker/tasks.h"
#include "worker/train/full_weights.h"
#include "worker/train/trainer.h"

namespace apportion {
namespace {

constexpr double progress_interval_s = 0.5;

/// Sends a step's figures to the coordinator, at most twice a second, and always those of the last step.
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
    progress.retain = step.retain;
    progress.tokens_per_second = tokens_ / seconds_;
    progress.peak_share = flops_ / seconds_ / peak_;
    progress.seconds_left = seconds_ / made_ * (step.steps - step.step - 1);
    context_.link.send(coordinator_address, progress);
  }

 private:
  const TaskContext& context_;
  double peak_;
  int made_ = 0;  // steps of this run, without those before a checkpoint
  double sent_ = 0, tokens_ = 0, flops_ = 0, seconds_ = 0;
};

/// Sends a rank's notes to the coordinator.
TrainCheckpoint::Say notes_of(const TaskContext& context) {
  return [&context](TrainCheckpoint::Note note, const std::string& text) {
    context.link.send(coordinator_address,
                      Note{context.task.id, text, note == TrainCheckpoint::Note::warning});
  };
}

/// Where the task's state is saved and, unless everything is redone, looked for.
TrainCheckpoint make_checkpoint(const TaskContext& context) {
  const OutputConfig& output = context.session.config().output;
  const std::string folder = checkpoint_directory(output.directory, context.task.id);
  if (output.force && context.collectives.group_rank() == 0) remove_directory(folder);
  context.collectives.barrier();
  return {{folder, context.task.id, output.checkpoint_steps, asked_to_stop},
          context.collectives,
          notes_of(context)};
}

/// Where the log-probs under the model that the stage starts from are kept. The key is everything that they
/// depend on, including the adapter's bits and the kind of machine. Collective.
ReferencePlace reference_place(const TaskContext& context, const Stage& stage) {
  const nlohmann::json task = context.task.identity.json();
  const std::string& directory = context.session.config().output.directory;
  nlohmann::json key = {{"what", "reference"},
                        {"pairs", stage.has(LossTerm::dpo)},
                        {"inputs", context.task.inputs},
                        {"libtorch", TORCH_VERSION},
                        {"cpu", at::get_cpu_capability()},
                        {"panels", panel_fingerprint()},
                        {"options", nlohmann::json::object()}};
  // A GPU rounds differently from a CPU and from another GPU.
  if (const at::Device device = context.session.device(); !device.is_cpu())
    key["device"] = device_name(device);
  for (const char* part : {"revision", "model", "dataset", "compute_type", "answers", "frames"}) {
    if (task.contains(part)) key[part] = task[part];
  }
  for (const char* option :
       {"system", "subjects", "holdout_wordings", "seed", "batch_prompts", "micro_batches", "adapter",
        "base_type", "steering", "kto_positions", "kto_pairs"}) {
    if (task.at("options").contains(option)) key["options"][option] = task["options"][option];
  }
  if (const std::string& path = context.session.config().data.adapter_in; !path.empty())
    key["adapter_in"] = adapter_digest(path);
  for (const std::string& input : context.task.inputs) {
    const std::string adapter = adapter_directory(directory, input) + "/adapter_model.safetensors";
    if (std::filesystem::exists(adapter)) key["adapters"].push_back(sha256_file(adapter));
  }
  const std::string identity = sha256(key.dump());
  return {reference_directory(directory, identity), identity, context.session.config().output.force};
}

void say(const TaskContext& context, const std::string& text, bool warning) {
  if (context.collectives.group_rank() != 0) return;
  context.link.send(coordinator_address, Note{context.task.id, text, warning});
}

/// Reports the balance of KTO's weights over all training prompts, before the stage that uses them.
void say_balance(const TaskContext& context, const std::vector<TrainPrompt>& prompts,
                 const KtoConfig& config) {
  double accepted = 0, rejected = 0;
  for (const TrainPrompt& prompt : prompts) {
    for (const auto& answer : prompt.answers) (answer.accepted ? accepted : rejected) += answer.weight;
  }
  const KtoBalance balance = kto_balance(accepted, rejected, config);
  say(context, balance.text, !balance.in_range);
}

void run_stage(const TaskContext& context, const Objective& objective,
               const std::vector<TrainPrompt>& prompts, Trainer& trainer) {
  if (!objective.reference_point) return trainer.run(objective);
  say_balance(context, prompts, objective.packing.kto);
  trainer.run(objective);
  const std::vector<double>& z = trainer.log().z_unclamped;
  const auto clamped = std::count_if(z.begin(), z.end(), [](double value) { return value < 0; });
  say(context,
      "KTO's z was below 0, and was clamped, in " + std::to_string(clamped) + " of " +
          std::to_string(z.size()) + " steps",
      false);
}

std::string gigabytes(double bytes) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f GB", bytes / 1e9);
  return text.data();
}

/// Full fine-tuning keeps 16 bytes for each weight of a rank's part (master, gradient, two moments), the copy
/// that it computes with and, with a hold, the untouched head. Throws UserError on all ranks if one of them
/// has too little memory. Collective.
void check_memory(const TaskContext& context, at::ScalarType type) {
  Session& session = context.session;
  session.release_models();
  const auto element = static_cast<double>(c10::elementSize(type));
  const double head = session.config().keep.weight > 0
                          ? 4.0 * static_cast<double>(session.shape().vocabulary * session.shape().width)
                          : 0.0;
  const double wanted = ((16 + element) * static_cast<double>(session.shape().parameters()) + head) /
                        static_cast<double>(context.shard_ranks.size());
  const auto free = context.collectives.all_gather({free_memory(session.device(), session.local_ranks())});
  const double least = *std::min_element(free.begin(), free.end());
  if (wanted <= least) return;
  throw UserError("adapter = none needs " + gigabytes(wanted) +
                  " on every rank for weights, gradient and moments, and the one with the least has " +
                  gigabytes(least) + " free; use a larger shard_size, or adapter = lora");
}

/// What a task trains, with everything that it refers to.
struct Training {
  LoadedModel own;                        // full fine-tuning: no other task shares a model that changes
  std::unique_ptr<Collectives> replicas;  // of full fine-tuning, too
  std::unique_ptr<Adapter> adapter;
  std::unique_ptr<Replay> replay;  // holds the stage to the untouched model; null: nothing does
  const Llama* model = nullptr;
  std::unique_ptr<Trainee> trainee;
  std::function<std::string()> save;  // call on every rank; returns the digest on the group's first
};

Training train_all_weights(const TaskContext& context, at::ScalarType type) {
  Session& session = context.session;
  session.release_models();
  Training training;
  const std::string trained_by = context.task.inputs.empty() ? "" : context.task.inputs.front();
  const auto weights = session.weights(trained_by);
  RanksConfig ranks = session.config().ranks;
  // Gathered weights are out of date a step later; memory is for masters and moments.
  if (ranks.resident == Residence::automatic) ranks.resident = Residence::never;
  training.own = load_model(*weights, session.shape(), type, session.rank(), context.shard_ranks, ranks,
                            session.config().base);
  context.collectives.meet(ranks.connect_timeout_s);
  if (context.replica_ranks.size() > 1) {
    constexpr int replica_tag = 2;  // differs from the shards' tag (session.cpp)
    training.replicas = make_group(context.replica_ranks, replica_tag, session.rank(), ranks);
  }
  auto trainee = std::make_unique<FullWeights>(
      *training.own.model, *weights, TrainingRanks{training.own.collectives.get(), training.replicas.get()});
  training.model = training.own.model.get();
  training.save = [&context, full = trainee.get()] {
    const bool first_copy = context.collectives.group_rank() < static_cast<int>(context.shard_ranks.size());
    if (!first_copy) return std::string();
    const std::string directory =
        weights_directory(context.session.config().output.directory, context.task.id);
    std::map<std::string, std::string> files;  // the first rank writes them
    if (context.collectives.group_rank() == 0) files = context.session.companions();
    const std::string digest = full->save(directory, files["config.json"]);
    files.erase("config.json");
    for (const auto& [name, bytes] : files) write_file(directory + "/" + name, bytes);
    return digest;
  };
  training.trainee = std::move(trainee);
  return training;
}

Training train_an_adapter(const TaskContext& context, at::ScalarType type) {
  Session& session = context.session;
  const RunConfig& config = session.config();
  Training training;
  training.model = &session.model(type, context.shard_ranks);
  context.collectives.meet(config.ranks.connect_timeout_s);
  training.adapter =
      task_adapter(session, context.task.inputs.empty() ? "" : context.task.inputs.front(), type);
  if (!training.adapter) {
    training.adapter =
        std::make_unique<Adapter>(session.shape(), config.lora, config.data.seed, session.device());
  }
  training.trainee = train_adapter(*training.model, *training.adapter);
  training.save = [&context, adapter = training.adapter.get()] {
    const RunConfig& run = context.session.config();
    if (context.collectives.group_rank() != 0) return std::string();
    return save_adapter(adapter_directory(run.output.directory, context.task.id), *adapter, run.data.model,
                        context.session.hub_name());
  };
  return training;
}

/// Holds the stage to the untouched model, whatever the stage starts from and however far it had come; null
/// if nothing does. Collective.
std::unique_ptr<Replay> make_replay(const TaskContext& context, at::ScalarType type, int steps,
                                    uint64_t seed) {
  const KeepConfig& keep = context.session.config().keep;
  if (keep.weight == 0) return nullptr;
  const Llama& base = context.session.model(type, context.shard_ranks);
  auto replay = std::make_unique<Replay>(replay_rows(context, base), keep.prompts, seed);
  PartProgress(context, "replay").begin(steps);
  replay->prepare(base, task_adapter(context.session, "", type).get(), context.collectives, steps);
  return replay;
}

/// What the task trains in a stage of `steps`. The replay is prepared before masters replace the base, and
/// gets the untouched head if the model's own head is trained. Collective.
Training make_training(const TaskContext& context, at::ScalarType type, int steps, uint64_t seed) {
  const bool all = context.session.config().adapter == AdapterKind::none;
  if (all) check_memory(context, type);
  auto replay = make_replay(context, type, steps, seed);
  Training training = all ? train_all_weights(context, type) : train_an_adapter(context, type);
  if (all && replay) replay->keep_head(training.model->other_head(*context.session.weights("")));
  training.replay = std::move(replay);
  return training;
}

/// Leaves the task before its first step if the run is to stop, as what comes next takes seconds. Collective.
void leave_if_asked(const TaskContext& context) {
  const std::vector<double> asked = context.collectives.all_gather({asked_to_stop() ? 1.0 : 0.0});
  if (std::find(asked.begin(), asked.end(), 1.0) != asked.end()) throw TaskPaused(0, 0);
}

/// Null if the job trains on no stories. Collective.
std::unique_ptr<Stories> make_stories(const TaskContext& context, const Llama& model, uint64_t seed) {
  if (context.session.config().story.answers != Answers::self) return nullptr;
  return self_stories(context, model, seed);
}

}  // namespace

Done run_training(const TaskContext& context) {
  Session& session = context.session;
  const RunConfig& config = session.config();
  const Stage stage = stage_of(context.task);
  const bool calibrate = context.task.kind == TaskKind::calibrate;
  const at::ScalarType type = resolve_compute_type(config.train_compute_type);
  // The stages shuffle differently: a batch of stage 2 is not one of stage 1.
  const uint64_t seed = config.data.seed * 2 + (calibrate ? 1 : 0);
  const Objective objective = objective_of(stage, config);
  leave_if_asked(context);
  Training training = make_training(context, type, objective.steps, seed);
  const auto subjects = subjects_of(session.dataset(), "train", config.data.subjects);
  auto prompts = train_prompts(session.dataset(), training_prompts(session.dataset(), config.data), subjects,
                               session.chat(), config.data.seed, stage.answers, config.steering);
  if (!calibrate && config.sft.wrong_text > 0) plant_wrong_text(prompts, config.sft.wrong_text);

  TrainCheckpoint checkpoint = make_checkpoint(context);
  leave_if_asked(context);
  ProgressSender sender(context, session.peak(type));
  const auto stories = make_stories(context, *training.model, seed);
  PartProgress reference(context, "reference");
  Trainer trainer({*training.model, prompts, config.batch, config.optimizer, seed, context.collectives,
                   std::ref(sender), &checkpoint, config.ranks.recompute, training.replay.get(),
                   config.keep.weight, stories.get(), std::ref(reference)},
                  std::move(training.trainee));
  trainer.keep_reference(reference_place(context, stage), notes_of(context));
  run_stage(context, objective, prompts, trainer);
  checkpoint.finish();

  Done done;
  done.micro_batches = trainer.micro_batches();
  const std::string digest = training.save();
  if (context.collectives.group_rank() == 0) {
    done.log = trainer.log();
    done.adapter_digest = digest;
  }
  return done;
}

}  // namespace apportion
