#include "shared/config/method.h"

#include <algorithm>

#include "shared/architecture/block.h"
#include "shared/base/error.h"
#include "shared/config/option.h"

namespace apportion {
namespace {

const Names<AnswerStyle> style_names = {
    {"steered", AnswerStyle::steered}, {"plain", AnswerStyle::plain}, {"paths", AnswerStyle::paths}};
const Names<LossTerm> loss_names = {{"sft", LossTerm::sft},
                                    {"steering_kl", LossTerm::steering_kl},
                                    {"kto", LossTerm::kto},
                                    {"dpo", LossTerm::dpo}};
const Names<Asking> asking_names = {{"plainly", Asking::plainly},
                                    {"with_target", Asking::with_target},
                                    {"with_category", Asking::with_category},
                                    {"for_probabilities", Asking::for_probabilities}};

template <typename Value>
const std::string& name_in(const Names<Value>& names, Value value) {
  for (const auto& [name, known] : names) {
    if (known == value) return name;
  }
  throw InternalError("a value without a name");
}

template <typename Value>
Value value_in(const Names<Value>& names, const std::string& name) {
  for (const auto& [known, value] : names) {
    if (known == name) return value;
  }
  throw InternalError("a task of a method that this program does not know: " + name);
}

const Stage steered_sft = {TaskKind::sft, AnswerStyle::steered, {LossTerm::sft}};
const Stage plain_sft = {TaskKind::sft, AnswerStyle::plain, {LossTerm::sft}};

Stage calibration(std::vector<LossTerm> losses) {
  return {TaskKind::calibrate, AnswerStyle::steered, std::move(losses)};
}

// Stage 1 as TRL does it with the authors' adapter.
const std::vector<std::pair<std::string, std::string>> ift_defaults = {
    {"lora_rank", "8"},         {"lora_alpha", "32"},   {"sft_weights", "token_mean"},
    {"sft_optimizer", "adamw"}, {"warmup_steps", "10"}, {"schedule", "cosine"}};

std::vector<MethodDescription> make_table() {
  const Stage dpo = {TaskKind::calibrate, AnswerStyle::plain, {LossTerm::dpo}};
  const std::vector<LossTerm> both = {LossTerm::steering_kl, LossTerm::kto};
  return {
      {Method::zero_shot, "zero-shot", "the model as it is", {}, Asking::plainly, {}},
      {Method::prompted, "prompted", "the target stated in the prompt", {}, Asking::with_target, {}},
      {Method::oracle_draw,
       "oracle-draw",
       "a category drawn from the target outside the model and named in the prompt",
       {},
       Asking::with_category,
       {}},
      {Method::verbalized,
       "verbalized",
       "the model is asked for answers with their probabilities, and one is drawn",
       {},
       Asking::for_probabilities,
       {}},
      {Method::ift,
       "ift",
       "plain answers in the target's proportions",
       {plain_sft},
       Asking::plainly,
       ift_defaults},
      {Method::dpo,
       "dpo",
       "ift, then preferences between plain answers",
       {plain_sft, dpo},
       Asking::plainly,
       ift_defaults},
      {Method::sft, "sft", "stage 1", {steered_sft}, Asking::plainly, {}},
      {Method::kl_only,
       "kl-only",
       "stage 1, then the steering tokens' KL",
       {steered_sft, calibration({LossTerm::steering_kl})},
       Asking::plainly,
       {}},
      {Method::kto_only,
       "kto-only",
       "stage 1, then KTO",
       {steered_sft, calibration({LossTerm::kto})},
       Asking::plainly,
       {{"text_weight", "0"}}},
      {Method::full, "full", "stage 1, then both", {steered_sft, calibration(both)}, Asking::plainly, {}},
  };
}

// The authors' program (arXiv 2604.05756): its epochs become steps for 14 subjects x 100 examples in batches
// of 8 (2 epochs of stage 1, 3 of stage 2). The authors chose rates by hand, from 1e-6 to 5e-4.
PresetSettings authors_settings(Method method) {
  PresetSettings settings;
  settings.general = {{"frames", "none"},
                      {"lora_layers", "1"},
                      {"retain_weight", "0"},
                      {"lora_rank", "32"},
                      {"lora_alpha", "16"},
                      {"lora_targets", "q_proj,v_proj"},
                      {"sft_steps", "350"},
                      {"sft_learning_rate", "0.0005"},
                      {"sft_weights", "token_mean"},
                      {"sft_optimizer", "adamw"},
                      {"calibrate_steps", "525"},
                      {"calibrate_learning_rate", "0.0005"},
                      {"kl_weight", "1"},
                      {"text_weight", "0"},
                      {"kto_positions", "all"},
                      {"kto_pairs", "rotated"},
                      {"batch_prompts", "8"},
                      {"adam_beta2", "0.999"},
                      {"warmup_steps", "150"},
                      {"schedule", "constant"}};
  if (method == Method::ift || method == Method::dpo) {
    // Here, since these methods' own defaults win over the general settings.
    settings.of_method = {{"lora_targets", join(lora_target_names(), ",")},
                          {"schedule", "constant"},
                          {"sft_learning_rate", "0.0005"},
                          {"calibrate_learning_rate", "1e-06"}};
  }
  return settings;
}

// The recipe from before anything held the model to what it was (docs/retention.md).
PresetSettings unheld_settings() {
  PresetSettings settings;
  settings.general = {{"frames", "none"},        {"lora_alpha", "256"},       {"lora_layers", "1"},
                      {"sft_optimizer", "muon"}, {"sft_text_weight", "0.25"}, {"calibrate_steps", "30"},
                      {"batch_prompts", "16"},   {"warmup_steps", "5"},       {"schedule", "cosine"},
                      {"retain_weight", "0"}};
  return settings;
}

}  // namespace

bool Stage::has(LossTerm term) const { return std::find(losses.begin(), losses.end(), term) != losses.end(); }

const std::vector<MethodDescription>& method_table() {
  static const std::vector<MethodDescription> table = make_table();
  return table;
}

const MethodDescription& description_of(Method method) {
  for (const MethodDescription& description : method_table()) {
    if (description.method == method) return description;
  }
  throw InternalError("a method without a description");
}

std::vector<Stage> stages_of(Method method, Steering steering) {
  std::vector<Stage> stages = description_of(method).stages;
  for (Stage& stage : stages) {
    if (steering != Steering::path || stage.answers != AnswerStyle::steered) continue;
    stage.answers = AnswerStyle::paths;
    std::erase(stage.losses, LossTerm::kto);
  }
  return stages;
}

PresetSettings settings_of(Preset preset, Method method) {
  switch (preset) {
    case Preset::none:
      return {};
    case Preset::authors:
      return authors_settings(method);
    case Preset::unheld:
      return unheld_settings();
  }
  throw InternalError("an unknown preset");
}

nlohmann::json stage_identity(const Stage& stage) {
  nlohmann::json losses = nlohmann::json::array();
  for (LossTerm term : stage.losses) losses.push_back(name_in(loss_names, term));
  return {{"answers", name_in(style_names, stage.answers)}, {"losses", losses}};
}

Stage stage_of(const Task& task) {
  Stage stage{task.kind, value_in(style_names, task.identity.at("answers").get<std::string>()), {}};
  for (const auto& name : task.identity.at("losses"))
    stage.losses.push_back(value_in(loss_names, name.get<std::string>()));
  return stage;
}

std::string name_of(Asking asking) { return name_in(asking_names, asking); }

bool reads_stories(const Task& task) { return task.identity.value("reading", "") == reading_stories; }

bool is_judged(const Task& task) { return task.kind == TaskKind::judge; }

bool needs_ranks(const Task& task) { return !is_judged(task) || task.identity.contains("compute_type"); }

std::string judge_name(const Task& task) { return task.identity.at("judge").at("name").get<std::string>(); }

Asking asking_of(const Task& task) {
  if (!task.identity.contains("asking")) return Asking::plainly;
  return value_in(asking_names, task.identity.value("asking", ""));
}

}  // namespace apportion
