// The tasks of a method and their identities; see plan.h.
#include "coordinator/plan.h"

#include "shared/base/error.h"

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

const Keys training_keys = {"subjects",      "holdout_wordings", "seed",         "batch_prompts",
                            "micro_batches", "adam_beta1",       "adam_beta2",   "adam_epsilon",
                            "weight_decay",  "clip_norm",        "warmup_steps", "schedule"};
const Keys sft_keys =
    joined(training_keys, {"lora_rank", "lora_alpha", "lora_targets", "sft_steps", "sft_learning_rate",
                           "sft_stop_kl", "sft_cooldown_steps", "sft_weights"});
const Keys calibrate_keys =
    joined(training_keys, {"calibrate_steps", "calibrate_learning_rate", "kl_weight", "kto_weight", "beta",
                           "kto_weight_accepted", "kto_weight_rejected"});
const Keys measure_keys = {"subjects",        "seed",        "rounds",      "max_answer_tokens",
                           "exact_threshold", "exact_nodes", "unit_prompts"};
const Keys measure_training_keys = joined(measure_keys, {"holdout_wordings"});

const Keys scale_keys = {"scale_tokens", "scale_prompts", "scale_branches",
                         "scale_steps",  "lora_rank",     "lora_targets"};

/// Test sets made of training wordings.
bool holds_training_wordings(const std::string& test_set) {
  return test_set == "heldout" || test_set == "train";
}

class Planner {
 public:
  Planner(const RunConfig& config, const PlanInput& input) : config_(config), input_(input) {}

  Task training(const std::string& kind, const std::string& label,
                const std::vector<std::string>& inputs) const {
    return make(kind, label, inputs, "", input_.train_compute_type);
  }

  /// `when` is "before" or "after".
  Task measure(const std::string& when, const std::string& test_set,
               const std::vector<std::string>& inputs) const {
    return make("measure", when + ", " + test_set, inputs, test_set, input_.measure_compute_type);
  }

 private:
  Task make(const std::string& kind, const std::string& label, const std::vector<std::string>& inputs,
            const std::string& test_set, const std::string& compute_type) const {
    nlohmann::json options = nlohmann::json::object();
    for (const std::string& key : identity_keys(kind, test_set)) options[key] = config_.value(key);
    Task task;
    task.kind = kind;
    task.label = label;
    task.inputs = inputs;
    task.test_set = test_set;
    task.identity = {{"kind", kind},
                     {"revision", task_revision(kind)},
                     {"options", options},
                     {"compute_type", compute_type},
                     {"model", input_.model_digest},
                     {"dataset", input_.dataset_digest},
                     {"inputs", inputs}};
    if (!test_set.empty()) task.identity["test_set"] = test_set;
    task.id = task_id(task.identity);
    return task;
  }

  const RunConfig& config_;
  const PlanInput& input_;
};

const char* method_name(Method method) {
  switch (method) {
    case Method::zero_shot:
      return "zero-shot";
    case Method::sft:
      return "sft";
    case Method::full:
      return "full";
  }
  throw InternalError("unknown method");
}

}  // namespace

std::vector<std::string> identity_keys(const std::string& kind, const std::string& test_set) {
  if (kind == "measure") return holds_training_wordings(test_set) ? measure_training_keys : measure_keys;
  if (kind == "sft") return sft_keys;
  if (kind == "calibrate") return calibrate_keys;
  if (kind == "scale") return scale_keys;
  throw InternalError("unknown kind of task: " + kind);
}

Plan make_plan(const RunConfig& config, const PlanInput& input, const std::string& job) {
  Planner planner(config, input);
  Plan plan;
  plan.cell.job = job;
  plan.cell.name = input.dataset_name + "-" + method_name(config.method);
  for (const std::string& test_set : config.measure.test_sets) {
    if (holds_training_wordings(test_set)) continue;
    plan.tasks.push_back(planner.measure("before", test_set, {}));
    plan.cell.measures["before/" + test_set] = plan.tasks.back().id;
  }
  if (config.method == Method::zero_shot) {
    if (plan.tasks.empty()) {
      throw UserError("method zero-shot has nothing to measure: test_sets needs one of v2, v3, ood");
    }
    return plan;
  }
  plan.tasks.push_back(planner.training("sft", "stage 1", {}));
  plan.cell.training["sft"] = plan.tasks.back().id;
  if (config.method == Method::full) {
    plan.tasks.push_back(planner.training("calibrate", "stage 2", {plan.cell.training["sft"]}));
    plan.cell.training["calibrate"] = plan.tasks.back().id;
  }
  std::string trained = plan.tasks.back().id;
  for (const std::string& test_set : config.measure.test_sets) {
    plan.tasks.push_back(planner.measure("after", test_set, {trained}));
    plan.cell.measures["after/" + test_set] = plan.tasks.back().id;
  }
  return plan;
}

}  // namespace apportion
