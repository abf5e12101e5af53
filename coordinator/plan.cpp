// The tasks of a method and their identities; see plan.h.
#include "coordinator/plan.h"

#include <algorithm>
#include <bitset>
#include <initializer_list>
#include <string_view>

#include "shared/base/error.h"
#include "shared/config/method.h"
#include "shared/config/option_table.h"
#include "shared/measure/rounds.h"

namespace apportion {

namespace {

/// An option at its place among the sorted keys of an identity.
struct SortedOption {
  const Option* option;
  size_t place;        // in the option table
  std::string quoted;  // the key
};

const std::vector<SortedOption>& sorted_options() {
  static const std::vector<SortedOption> options = [] {
    std::vector<SortedOption> sorted;
    for (const Option* option : option_table())
      sorted.push_back({option, sorted.size(), "\"" + option->key + "\""});
    std::sort(sorted.begin(), sorted.end(),
              [](const auto& a, const auto& b) { return a.option->key < b.option->key; });
    return sorted;
  }();
  return options;
}

/// A subset of the sorted options, as bits: a plan of thousands of cells joins such sets for each task.
constexpr size_t most_options = 256;
using Keys = std::bitset<most_options>;

/// Calls visit(option) for each option in `keys`.
template <typename Visit>
void for_each(const Keys& keys, Visit visit) {
  for (size_t place = 0; place < sorted_options().size(); ++place) {
    if (keys[place]) visit(sorted_options()[place]);
  }
}

template <typename Condition>
Keys keys_where(Condition condition) {
  const std::vector<SortedOption>& options = sorted_options();
  ensure(options.size() <= most_options, "there is room for every key of the option table");
  Keys keys;
  for (size_t place = 0; place < options.size(); ++place) keys[place] = condition(options[place].option->key);
  return keys;
}

Keys keys_of(std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names)
    ensure(find_option(std::string(name)) != nullptr, "what a task reads is a key of the option table");
  return keys_where(
      [&](std::string_view key) { return std::find(names.begin(), names.end(), key) != names.end(); });
}

Keys keys_with(std::string_view prefix) {
  return keys_where([&](std::string_view key) { return key.starts_with(prefix); });
}

std::vector<std::string> names_of(const Keys& keys) {
  std::vector<std::string> names;
  for_each(keys, [&](const SortedOption& sorted) { names.push_back(sorted.option->key); });
  return names;
}

/// Which options each kind of task reads, among those marked Identity::yes in the option table. What a task's
/// input reads is covered by the input's id.
struct KeyTable {
  Keys training = keys_of({"system", "subjects", "holdout_wordings", "frames", "seed", "batch_prompts",
                           "micro_batches", "adam_beta1", "adam_beta2", "adam_epsilon", "weight_decay",
                           "clip_norm", "warmup_steps", "schedule", "adapter", "base_type"}) |
                  keys_of({"retain_weight", "retain_prompts", "retain_text_every", "retain_tokens"}) |
                  keys_of({"answers", "self_weight", "self_text_weight", "self_prompts", "self_stories",
                           "self_draws", "self_tokens"});
  Keys sft = training | keys_of({"lora_rank", "lora_alpha", "lora_targets", "lora_layers", "sft_steps",
                                 "sft_learning_rate", "sft_stop_kl", "sft_cooldown_steps", "sft_wrong_text",
                                 "sft_weights", "sft_text_weight", "sft_text_every", "sft_common_weight",
                                 "sft_optimizer", "muon_momentum"});
  Keys calibrate = training | keys_of({"calibrate_steps", "calibrate_learning_rate"});
  Keys steering_kl = keys_of({"kl_weight"});
  Keys kto = keys_of({"text_weight", "kto_weight", "beta", "kto_weight_accepted", "kto_weight_rejected",
                      "kto_positions", "kto_pairs"});
  Keys dpo = keys_of({"beta"});
  Keys measure = keys_of({"system", "subjects", "seed", "rounds", "exact_threshold", "exact_nodes",
                          "unit_prompts", "base_type", "steering"});
  Keys scale = keys_of({"scale_tokens", "scale_prompts", "scale_branches", "scale_steps", "lora_rank",
                        "lora_targets", "base_type"});
  Keys retention = keys_of({"system", "seed", "base_type", "steering", "retain_tokens"});
  Keys planning = keys_of({"method", "preset", "test_sets", "retention"});  // not read by tasks

  // Keys that some jobs do not read.
  Keys frames = keys_of({"frames"}), retain = keys_with("retain_"), lora = keys_with("lora_"),
       lora_layers = keys_of({"lora_layers"}), self = keys_of({"answers"}) | keys_with("self_");

  // Sets of a single key.
  Keys system = keys_of({"system"}), steering = keys_of({"steering"}),
       holdout = keys_of({"holdout_wordings"}), retain_tokens = keys_of({"retain_tokens"}),
       verbalized_tokens = keys_of({"verbalized_tokens"}), story_tokens = keys_of({"story_tokens"}),
       answer_tokens = keys_of({"max_answer_tokens"});
};

const KeyTable& key_table() {
  static const KeyTable table;
  return table;
}

/// What a term of a stage's loss reads besides what the stage's kind reads.
Keys keys_of(LossTerm term) {
  switch (term) {
    case LossTerm::sft:
      return {};
    case LossTerm::steering_kl:
      return key_table().steering_kl;
    case LossTerm::kto:
      return key_table().kto;
    case LossTerm::dpo:
      return key_table().dpo;
  }
  throw InternalError("an unknown term of a loss");
}

/// Whether the test set is made of training wordings.
bool holds_training_wordings(const std::string& test_set) {
  return test_set == "heldout" || test_set == "train";
}

constexpr const char* story_test_set = "v3";

Keys keys_of(const Stage& stage) {
  Keys keys = stage.kind == TaskKind::sft ? key_table().sft : key_table().calibrate;
  if (stage.answers != AnswerStyle::plain) keys |= key_table().steering;
  for (LossTerm term : stage.losses) keys |= keys_of(term);
  return keys;
}

Keys keys_of(const std::string& test_set, Asking asking) {
  const KeyTable& table = key_table();
  const Keys& tokens = asking == Asking::for_probabilities ? table.verbalized_tokens
                       : test_set == story_test_set        ? table.story_tokens
                                                           : table.answer_tokens;
  return table.measure | tokens | (holds_training_wordings(test_set) ? table.holdout : Keys());
}

/// Which of the keys that results depend on the task reads, besides those its inputs read.
Keys keys_of(const Task& task) {
  switch (task.kind) {
    case TaskKind::measure:
      return keys_of(task.test_set, asking_of(task));
    case TaskKind::sft:
    case TaskKind::calibrate:
      return keys_of(stage_of(task));
    case TaskKind::retention:
      return key_table().retention;
    case TaskKind::scale:
      return key_table().scale;
    case TaskKind::judge:
      return {};  // the task that it judges covers all
  }
  throw InternalError("a kind of task without keys");
}

/// Keys that change nothing in this job; its tasks are the same as those of a job without them.
Keys unread_keys(const RunConfig& config, bool adds_frames) {
  const KeyTable& table = key_table();
  Keys keys;
  if (config.data.system == default_system) keys |= table.system;
  if (!adds_frames) keys |= table.frames;
  if (config.keep.weight == 0) keys |= table.retain;
  if (config.adapter != AdapterKind::lora) keys |= table.lora;
  if (config.lora.layers == 1) keys |= table.lora_layers;
  if (config.story.answers != Answers::self) keys |= table.self;
  return keys;
}

/// Appends the text as a JSON string.
void append_json(std::string& json, const std::string& text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char character) {
    return character >= ' ' && character <= '~' && character != '"' && character != '\\';
  });
  if (plain) {
    json.append("\"").append(text).append("\"");
  } else {
    json += nlohmann::json(text).dump();
  }
}

/// Writes a task's identity as text: sorted members, of which the options are one. It builds no tree of JSON
/// values, which would take five times as long.
class IdentityWriter {
 public:
  explicit IdentityWriter(const RunConfig& config) : config_(config) { members_.reserve(most_members); }

  void begin() { members_.clear(); }
  void text(std::string_view key, const std::string& value) {
    std::string json;
    json.reserve(value.size() + 2);
    append_json(json, value);
    members_.emplace_back(key, std::move(json));
  }
  void json(std::string_view key, std::string value) { members_.emplace_back(key, std::move(value)); }
  void options(const Keys& keys) {
    options_ = keys;
    members_.emplace_back(options_key, "");
  }

  TaskIdentity identity() {
    std::sort(members_.begin(), members_.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    text_.clear();
    for (const auto& [key, value] : members_) {
      text_.append(text_.empty() ? "{\"" : ",\"").append(key).append("\":").append(value);
      if (key == options_key) append_options();
    }
    return TaskIdentity::of_text(text_ + "}");
  }

 private:
  static constexpr std::string_view options_key = "options";
  static constexpr size_t most_members = 16;

  void append_options() {
    const char* separator = "{";
    for_each(options_, [&](const SortedOption& sorted) {
      text_.append(separator).append(sorted.quoted).append(":");
      append_json(text_, config_.resolved[sorted.place].second);
      separator = ",";
    });
    text_ += options_.none() ? "{}" : "}";
  }

  const RunConfig& config_;
  std::vector<std::pair<std::string_view, std::string>> members_;  // keys, with values as JSON
  Keys options_;
  std::string text_;
};

/// Before or after training, or the method's own way of asking.
enum class When { before, after };

class Planner {
 public:
  Planner(const RunConfig& config, const PlanInput& input)
      : config_(config),
        input_(input),
        method_(description_of(config.method)),
        stages_(stages_of(config.method, config.steering)),
        unread_(unread_keys(config, !input.frames_digest.empty())),
        writer_(config) {}

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
    begin(task, keys_of(stage) & ~unread_, input_.train_compute_type);
    writer_.text("dataset", input_.training_digest);
    const nlohmann::json of_stage = stage_identity(stage);
    for (const char* key : {"answers", "losses"}) writer_.json(key, of_stage.at(key).dump());
    if (!input_.frames_digest.empty()) writer_.text("frames", input_.frames_digest);
    if (config_.keep.weight > 0) writer_.text("replay", input_.replay_digest);
    if (config_.story.answers == Answers::self) writer_.text("stories", input_.stories_digest);
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
    begin(task, keys_of(test_set, asking) & ~unread_, input_.measure_compute_type);
    writer_.text("test_set", test_set);
    // What the untouched model says when asked plainly does not depend on the target shares.
    const TestSetDigests& of_set = input_.test_sets.at(test_set);
    const bool untouched = task.inputs.empty() && asking == Asking::plainly;
    writer_.text(untouched ? "questions" : "dataset", untouched ? of_set.questions : of_set.with_targets);
    if (asking != Asking::plainly) writer_.text("asking", name_of(asking));
    const bool stories = test_set == story_test_set && asking != Asking::for_probabilities;
    if (stories) writer_.text("reading", reading_stories);
    // Many rounds are drawn by halving and not one by one, so the task differs from one measured the older
    // way.
    if (config_.measure.rounds > most_single_draws) writer_.text("rounds_drawn", "halved");
    add(std::move(task));
    plan_.cell.measures[name + "/" + test_set] = plan_.tasks.back().id;
    if (stories) add_judges(Task(plan_.tasks.back()), name + "/" + test_set);
  }

  void add_retention() {
    Task task;
    task.kind = TaskKind::retention;
    task.label = "retention";
    task.inputs = {trained_};
    const Keys keys = (key_table().retention & ~unread_) | key_table().retain_tokens;
    begin(task, keys, input_.train_compute_type);
    writer_.text("dataset", input_.training_digest);
    writer_.text("keep", input_.keep_digest);
    add(std::move(task));
    plan_.cell.retention = plan_.tasks.back().id;
  }

  void add_judges(const Task& measured, const std::string& name) {
    for (const nlohmann::json& judge : input_.judges) {
      Task task;
      task.kind = TaskKind::judge;
      task.inputs = {measured.id};
      task.test_set = measured.test_set;
      begin(task);
      writer_.json("judge", judge.dump());
      writer_.text("reading", reading_stories);
      writer_.text("test_set", task.test_set);
      // For a model that runs here: ranks that compute in another type are refused.
      if (judge.contains("compute_type")) writer_.json("compute_type", judge.at("compute_type").dump());
      const std::string judge_name = judge.at("name").get<std::string>();
      task.label = measured.label + ", " + judge_name;
      add(std::move(task));
      plan_.cell.judged[name + "/" + judge_name] = plan_.tasks.back().id;
    }
  }

  void add(Task task) {
    task.identity = writer_.identity();
    task.id = task_id(task.identity);
    plan_.tasks.push_back(std::move(task));
  }

  /// The members of every task's identity.
  void begin(const Task& task) {
    std::string inputs = "[";
    for (const std::string& input : task.inputs) {
      if (inputs.size() > 1) inputs += ",";
      append_json(inputs, input);
    }
    writer_.begin();
    writer_.text("kind", name_of(task.kind));
    writer_.json("revision", std::to_string(description_of(task.kind).revision));
    writer_.json("inputs", inputs + "]");
  }

  /// The same plus the members for tasks that ranks do. An adapter that the model starts with is in the ids
  /// of the first tasks, and through them in all that follow.
  void begin(const Task& task, const Keys& keys, const std::string& compute_type) {
    begin(task);
    writer_.options(keys);
    writer_.text("compute_type", compute_type);
    writer_.text("model", input_.model_digest);
    if (task.inputs.empty() && !input_.adapter_in_digest.empty())
      writer_.text("adapter_in", input_.adapter_in_digest);
  }

  const RunConfig& config_;
  const PlanInput& input_;
  const MethodDescription& method_;
  std::vector<Stage> stages_;
  Keys unread_;
  IdentityWriter writer_;
  Plan plan_;
  std::string trained_;  // the last stage's task
};

}  // namespace

std::vector<std::string> scale_identity_keys() { return names_of(key_table().scale); }

std::vector<std::string> stage_keys(const Stage& stage) { return names_of(keys_of(stage)); }

std::vector<std::string> measure_keys_of(const std::string& test_set, Asking asking) {
  return names_of(keys_of(test_set, asking));
}

std::map<std::string, std::string> settings_of(const RunConfig& config,
                                               const std::vector<const Task*>& chain) {
  Keys read = keys_of({"train_compute_type", "measure_compute_type"});
  for (const Task* task : chain) read |= keys_of(*task);
  const Keys no_identity =
      keys_where([](const std::string& key) { return find_option(key)->identity == Identity::no; });
  std::map<std::string, std::string> settings;
  for_each(read | (no_identity & ~key_table().planning),
           [&](const SortedOption& sorted) { settings[sorted.option->key] = sorted.option->print(config); });
  return settings;
}

Plan make_plan(const RunConfig& config, const PlanInput& input, const std::string& job) {
  return Planner(config, input).plan(job);
}

}  // namespace apportion
