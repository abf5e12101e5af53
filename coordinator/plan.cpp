// The tasks of a method and their identities; see plan.h.
#include "coordinator/plan.h"

#include <algorithm>
#include <set>

#include "shared/base/error.h"
#include "shared/config/method.h"
#include "shared/config/option_table.h"
#include "shared/measure/rounds.h"

namespace apportion {

namespace {

// What each kind reads of the options whose rows in the option table say Identity::yes. What a task's input
// read is covered by the input's id.

using Keys = std::vector<std::string>;

Keys joined(const Keys& first, const Keys& second) {
  Keys keys;
  for (const Keys* part : {&first, &second}) {
    for (const std::string& key : *part) keys.push_back(key);
  }
  return keys;
}

const Keys training_keys = {"subjects",      "holdout_wordings", "frames",     "seed",
                            "batch_prompts", "micro_batches",    "adam_beta1", "adam_beta2",
                            "adam_epsilon",  "weight_decay",     "clip_norm",  "warmup_steps",
                            "schedule",      "adapter",          "base_type"};
const Keys retain_keys = {"retain_weight", "retain_prompts", "retain_text_every", "retain_tokens"};
const Keys self_keys = {"answers",      "self_weight", "self_text_weight", "self_prompts",
                        "self_stories", "self_draws",  "self_tokens"};
const Keys sft_keys =
    joined(training_keys,
           {"lora_rank", "lora_alpha", "lora_targets", "lora_layers", "sft_steps", "sft_learning_rate",
            "sft_stop_kl", "sft_cooldown_steps", "sft_wrong_text", "sft_weights", "sft_text_weight",
            "sft_text_every", "sft_common_weight", "sft_optimizer", "muon_momentum"});
const Keys calibrate_keys = joined(training_keys, {"calibrate_steps", "calibrate_learning_rate"});

/// What a term of a stage's loss reads besides what its kind does.
Keys keys_of(LossTerm term) {
  switch (term) {
    case LossTerm::sft:
      return {};
    case LossTerm::steering_kl:
      return {"kl_weight"};
    case LossTerm::kto:
      return {"text_weight",         "kto_weight",    "beta",     "kto_weight_accepted",
              "kto_weight_rejected", "kto_positions", "kto_pairs"};
    case LossTerm::dpo:
      return {"beta"};
  }
  throw InternalError("an unknown term of a loss");
}

const Keys measure_keys = {"subjects",    "seed",         "rounds",    "exact_threshold",
                           "exact_nodes", "unit_prompts", "base_type", "steering"};

const Keys scale_keys = {"scale_tokens", "scale_prompts", "scale_branches", "scale_steps",
                         "lora_rank",    "lora_targets",  "base_type"};

const Keys retention_keys = {"seed", "base_type", "steering", "retain_tokens"};

/// Keys for whoever makes the plan, which tasks do not read.
const Keys planning_keys = {"method", "preset", "test_sets", "retention"};

/// Test sets made of training wordings.
bool holds_training_wordings(const std::string& test_set) {
  return test_set == "heldout" || test_set == "train";
}

constexpr const char* story_test_set = "v3";

/// "before" training, or before the method's own way of asking, or "after" it.
enum class When { before, after };

class Planner {
 public:
  Planner(const RunConfig& config, const PlanInput& input)
      : config_(config),
        input_(input),
        method_(description_of(config.method)),
        stages_(stages_of(config.method, config.steering)) {}

  Plan plan(const std::string& job) {
    plan_.cell.job = job;
    plan_.cell.name = input_.dataset_name + "-" + method_.name;
    for (const std::string& test_set : config_.measure.test_sets) {
      if (!holds_training_wordings(test_set)) add_measure(When::before, test_set, Asking::plainly);
    }
    if (stages_.empty()) need_test_sets();
    for (size_t number = 0; number < stages_.size(); ++number) add_stage(number);
    if (config_.keep.measure && !trained_.empty()) add_retention();
    if (stages_.empty() && method_.asking == Asking::plainly) return std::move(plan_);
    for (const std::string& test_set : config_.measure.test_sets) {
      const bool after = !stages_.empty() || !holds_training_wordings(test_set);
      if (after) add_measure(When::after, test_set, method_.asking);
    }
    return std::move(plan_);
  }

 private:
  void need_test_sets() const {
    if (!plan_.tasks.empty()) return;
    throw UserError("method " + method_.name + " has nothing to measure: test_sets needs one of v2, v3, ood");
  }

  void add_stage(size_t number) {
    const Stage& stage = stages_[number];
    Task task;
    task.kind = stage.kind;
    task.label = "stage " + std::to_string(number + 1);
    if (!trained_.empty()) task.inputs = {trained_};
    task.identity = identity(task, stage_keys(stage), input_.train_compute_type);
    task.identity.update(stage_identity(stage));
    if (!input_.frames_digest.empty()) task.identity["frames"] = input_.frames_digest;
    if (config_.keep.weight > 0) task.identity["replay"] = input_.replay_digest;
    if (config_.story.answers == Answers::self) task.identity["stories"] = input_.stories_digest;
    add(std::move(task));
    trained_ = plan_.cell.training[name_of(stage.kind)] = plan_.tasks.back().id;
  }

  void add_measure(When when, const std::string& test_set, Asking asking) {
    const std::string name = when == When::before ? "before" : "after";
    Task task;
    task.kind = TaskKind::measure;
    task.label = name + ", " + test_set;
    if (!trained_.empty()) task.inputs = {trained_};
    task.test_set = test_set;
    task.identity = identity(task, measure_keys_of(test_set, asking), input_.measure_compute_type);
    task.identity["test_set"] = test_set;
    // What the untouched model says when it is asked plainly does not depend on the shares to follow.
    const TestSetDigests& of_set = input_.test_sets.at(test_set);
    if (task.inputs.empty() && asking == Asking::plainly) {
      task.identity.erase("dataset");
      task.identity["questions"] = of_set.questions;
    } else {
      task.identity["dataset"] = of_set.with_targets;
    }
    if (asking != Asking::plainly) task.identity["asking"] = name_of(asking);
    const bool stories = test_set == story_test_set && asking != Asking::for_probabilities;
    if (stories) task.identity["reading"] = reading_stories;
    // Many rounds are drawn otherwise than one by one: a task that was measured so before is another one.
    if (config_.measure.rounds > most_single_draws) task.identity["rounds_drawn"] = "halved";
    add(std::move(task));
    plan_.cell.measures[name + "/" + test_set] = plan_.tasks.back().id;
    if (stories) add_judges(Task(plan_.tasks.back()), name + "/" + test_set);
  }

  void add_retention() {
    Task task;
    task.kind = TaskKind::retention;
    task.label = "retention";
    task.inputs = {trained_};
    task.identity = identity(task, retention_keys, input_.train_compute_type);
    task.identity["options"]["retain_tokens"] = config_.value("retain_tokens");
    task.identity["keep"] = input_.keep_digest;
    add(std::move(task));
    plan_.cell.retention = plan_.tasks.back().id;
  }

  void add_judges(const Task& measured, const std::string& name) {
    for (const nlohmann::json& judge : input_.judges) {
      Task task;
      task.kind = TaskKind::judge;
      task.inputs = {measured.id};
      task.test_set = measured.test_set;
      task.identity = {{"kind", name_of(task.kind)}, {"revision", description_of(task.kind).revision},
                       {"inputs", task.inputs},      {"judge", judge},
                       {"reading", reading_stories}, {"test_set", task.test_set}};
      // Of a model that is run here: ranks that compute in another type are refused.
      if (judge.contains("compute_type")) task.identity["compute_type"] = judge.at("compute_type");
      task.label = measured.label + ", " + judge_name(task);
      plan_.cell.judged[name + "/" + judge_name(task)] = task_id(task.identity);
      add(std::move(task));
    }
  }

  void add(Task task) {
    task.id = task_id(task.identity);
    plan_.tasks.push_back(std::move(task));
  }

  /// An id has no key that changes nothing in this job: its tasks are then those of a job without it.
  bool reads(const std::string& key) const {
    if (key == "frames") return !input_.frames_digest.empty();
    if (key.starts_with("retain_")) return config_.keep.weight > 0;
    if (key == "lora_layers" && config_.lora.layers == 1) return false;
    if (key == "answers" || key.starts_with("self_")) return config_.story.answers == Answers::self;
    return config_.adapter == AdapterKind::lora || !key.starts_with("lora_");
  }

  nlohmann::json identity(const Task& task, const Keys& keys, const std::string& compute_type) const {
    nlohmann::json options = nlohmann::json::object();
    for (const std::string& key : keys) {
      if (reads(key)) options[key] = config_.value(key);
    }
    return {{"kind", name_of(task.kind)},   {"revision", description_of(task.kind).revision},
            {"options", options},           {"compute_type", compute_type},
            {"model", input_.model_digest}, {"dataset", input_.training_digest},
            {"inputs", task.inputs}};
  }

  const RunConfig& config_;
  const PlanInput& input_;
  const MethodDescription& method_;
  std::vector<Stage> stages_;
  Plan plan_;
  std::string trained_;  // the last stage's task
};

}  // namespace

std::vector<std::string> scale_identity_keys() { return scale_keys; }

std::vector<std::string> stage_keys(const Stage& stage) {
  Keys keys = stage.kind == TaskKind::sft ? sft_keys : calibrate_keys;
  keys = joined(joined(keys, retain_keys), self_keys);
  if (stage.answers != AnswerStyle::plain) keys.push_back("steering");
  for (LossTerm term : stage.losses) keys = joined(keys, keys_of(term));
  return keys;
}

std::vector<std::string> measure_keys_of(const std::string& test_set, Asking asking) {
  const char* tokens = asking == Asking::for_probabilities ? "verbalized_tokens"
                       : test_set == story_test_set        ? "story_tokens"
                                                           : "max_answer_tokens";
  Keys keys = joined(measure_keys, {tokens});
  return holds_training_wordings(test_set) ? joined(keys, {"holdout_wordings"}) : keys;
}

namespace {

/// What the task reads of the keys that results depend on, besides what its inputs do.
Keys keys_of(const Task& task) {
  switch (task.kind) {
    case TaskKind::measure:
      return measure_keys_of(task.test_set, asking_of(task));
    case TaskKind::sft:
    case TaskKind::calibrate:
      return stage_keys(stage_of(task));
    case TaskKind::retention:
      return retention_keys;
    case TaskKind::scale:
      return scale_keys;
    case TaskKind::judge:
      return {};  // what it judges has all
  }
  throw InternalError("a kind of task without keys");
}

}  // namespace

std::map<std::string, std::string> settings_of(const RunConfig& config,
                                               const std::vector<const Task*>& chain) {
  std::set<std::string> read = {"train_compute_type", "measure_compute_type"};
  for (const Task* task : chain) {
    const Keys keys = keys_of(*task);
    read.insert(keys.begin(), keys.end());
  }
  std::map<std::string, std::string> settings;
  for (const Option* option : option_table()) {
    const bool seen =
        option->identity == Identity::yes
            ? read.contains(option->key)
            : std::find(planning_keys.begin(), planning_keys.end(), option->key) == planning_keys.end();
    if (seen) settings[option->key] = option->print(config);
  }
  return settings;
}

Plan make_plan(const RunConfig& config, const PlanInput& input, const std::string& job) {
  return Planner(config, input).plan(job);
}

}  // namespace apportion
