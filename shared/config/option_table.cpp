#include "shared/config/option_table.h"

#include "shared/architecture/lora_targets.h"
#include "shared/base/edit_distance.h"
#include "shared/config/capacity_options.h"
#include "shared/config/data_options.h"
#include "shared/config/method.h"

namespace apportion {
namespace {

constexpr NumberRange rate{0, Bound::excluded, 1, Bound::included};
constexpr NumberRange weight{0, Bound::included, 1e6, Bound::included};
constexpr NumberRange decay{0, Bound::included, 1, Bound::excluded};

OptionGroup method_options() {
  using Lora = LoraConfig;
  Names<Method> methods;
  for (const MethodDescription& method : method_table()) methods.emplace_back(method.name, method.method);
  Names<Preset> presets = {{"none", Preset::none}, {"authors", Preset::authors}, {"unheld", Preset::unheld}};
  Names<AdapterKind> adapters = {{"lora", AdapterKind::lora}, {"none", AdapterKind::none}};
  Names<Steering> steerings = {{"auto", Steering::automatic},
                               {"digit", Steering::digit},
                               {"letter", Steering::letter},
                               {"word", Steering::word},
                               {"path", Steering::path}};
  return {
      "Method and adapter",
      {
          choice_option({"method", "full", Identity::no,
                         "what is trained and how it is asked; docs/adding-a-loss.md describes each method"},
                        field(&RunConfig::method), methods),
          choice_option({"preset", "none", Identity::no,
                         "a set of defaults; authors: those of the paper's program, for comparison; unheld: "
                         "trains the shares alone, which is faster and more exact but leaves the model "
                         "useless for other questions. Keys that you set yourself win"},
                        field(&RunConfig::preset), presets),
          choice_option({"adapter", "lora", Identity::yes,
                         "lora: train low-rank adapters on the frozen model; none: train all weights (unless "
                         "set, with learning rates 5e-05 and 1e-05, and twice the steps in stage 1)"},
                        field(&RunConfig::adapter), adapters),
          choice_option({"steering", "digit", Identity::yes,
                         "what stands for a category: a digit (up to 10), a letter (up to 26) or a word (up "
                         "to 40) in front of the answer, or nothing (path), where a category is the sum over "
                         "the answers that name it; auto: the first of digit, letter and word whose texts "
                         "are each one token where the model's answers begin (docs/datasets.md)"},
                        field(&RunConfig::steering), steerings),
          integer_option({"lora_rank", "32", Identity::yes, "rank of the LoRA matrices"},
                         field(&RunConfig::lora, &Lora::rank), {1, 4096}),
          number_option(
              {"lora_alpha", "128", Identity::yes,
               "LoRA products are scaled by alpha / rank; with a larger alpha B learns faster than A"},
              field(&RunConfig::lora, &Lora::alpha), {0, Bound::excluded, 1e6, Bound::included}),
          list_option({"lora_targets", join(lora_target_names(), ","), Identity::yes,
                       "linear layers that get LoRA; all by default, including the joint ones of models that "
                       "hold q, k and v, or gate and up, in one layer"},
                      field(&RunConfig::lora, &Lora::targets), all_lora_targets(), ListOrder::as_allowed),
          number_option(
              {"lora_layers", "0.5", Identity::yes,
               "share of the blocks that get LoRA, counted from the top; no gradient passes below them"},
              field(&RunConfig::lora, &Lora::layers), {0, Bound::excluded, 1, Bound::included}),
      }};
}

OptionGroup sft_options() {
  using Sft = SftConfig;
  auto stop = [](auto member) { return field(&RunConfig::sft, &Sft::stop, member); };
  Names<SftWeights> weights = {{"split", SftWeights::split},
                               {"token_mean", SftWeights::token_mean},
                               {"sequence", SftWeights::sequence}};
  Names<OptimizerKind> optimizers = {{"adamw", OptimizerKind::adamw}, {"muon", OptimizerKind::muon}};
  return {
      "Stage 1: supervised fine-tuning",
      {
          integer_or_auto_option(
              {"sft_steps", "auto", Identity::yes,
               "steps of stage 1; auto: by rule from the number of prompts (docs/job-files.md)"},
              field(&RunConfig::sft, &Sft::steps), {1, most_steps}),
          number_or_auto_option({"sft_learning_rate", "auto", Identity::yes,
                                 "peak learning rate of stage 1; auto: by rule from the model's width and "
                                 "the adapter (docs/job-files.md)"},
                                field(&RunConfig::sft, &Sft::learning_rate), rate),
          number_option(
              {"sft_stop_kl", "0", Identity::yes,
               "ends stage 1 early: once the mean KL over an epoch's steps and the share that their coverage "
               "lacks are both below this, the learning rate falls to 0 over sft_cooldown_steps; 0: never"},
              stop(&StopConfig::kl), {0, Bound::included, 1, Bound::included}),
          integer_option(
              {"sft_cooldown_steps", "15", Identity::yes,
               "steps over which the learning rate falls to 0 when sft_stop_kl ends stage 1 early"},
              stop(&StopConfig::cooldown_steps), {1, most_steps}),
          number_option({"sft_wrong_text", "0", Identity::yes,
                         "plants a fault, to see whether stage 2 mends it: this share of the answers' weight "
                         "gets another category's text after the steering token"},
                        field(&RunConfig::sft, &Sft::wrong_text), {0, Bound::included, 1, Bound::excluded}),
          choice_option(
              {"sft_weights", "split", Identity::yes,
               "split: the target share weighs the first token, and the rest of the answer as a whole; "
               "token_mean: it weighs every token, averaged over the batch's tokens; sequence: it weighs "
               "every token, averaged over the batch's prompts (the default with steering = path)"},
              field(&RunConfig::sft, &Sft::weights), weights),
          number_option(
              {"sft_text_weight", "2", Identity::yes,
               "with sft_weights = split: weight of an answer's tokens after the first, which weighs 1"},
              field(&RunConfig::sft, &Sft::text_weight), {0, Bound::included, 1e6, Bound::included}),
          integer_option({"sft_text_every", "4", Identity::yes,
                          "with sft_weights = split and steering tokens: one prompt in N trains its answers' "
                          "text too, with N times the weight; prompts take turns"},
                         field(&RunConfig::sft, &Sft::text_every), {1, most_prompts}),
          number_option({"sft_common_weight", "0.25", Identity::yes,
                         "with sft_weights = split and steering tokens: how much the batch's mean error of "
                         "the steering tokens counts, which is common to all prompts and swings; 1: as much "
                         "as what tells prompts apart"},
                        field(&RunConfig::sft, &Sft::common_weight),
                        {0, Bound::excluded, 1, Bound::included}),
          choice_option({"sft_optimizer", "adamw", Identity::yes,
                         "muon: steps along each matrix's mean gradient with all singular values made equal; "
                         "adamw: the only choice with adapter = none"},
                        field(&RunConfig::sft, &Sft::optimizer), optimizers),
      }};
}

OptionGroup calibrate_options() {
  using Calibrate = CalibrateConfig;
  Names<KtoPositions> positions = {{"rest", KtoPositions::rest}, {"all", KtoPositions::all}};
  Names<KtoPairs> pairs = {{"mismatched", KtoPairs::mismatched}, {"rotated", KtoPairs::rotated}};
  auto kto = [](auto member) { return field(&RunConfig::calibrate, &Calibrate::kto, member); };
  return {
      "Stage 2: calibration",
      {
          integer_option({"calibrate_steps", "30", Identity::yes, "steps of stage 2"},
                         field(&RunConfig::calibrate, &Calibrate::steps), {1, most_steps}),
          number_or_auto_option({"calibrate_learning_rate", "auto", Identity::yes,
                                 "peak learning rate of stage 2; auto: by rule from the model's width and "
                                 "the adapter (docs/job-files.md)"},
                                field(&RunConfig::calibrate, &Calibrate::learning_rate), rate),
          number_option({"kl_weight", "300", Identity::yes, "weight of the steering tokens' KL in the loss"},
                        field(&RunConfig::calibrate, &Calibrate::kl_weight), weight),
          number_option({"text_weight", "100", Identity::yes,
                         "weight of the accepted answers' text after the first token, next to KTO; 0: only "
                         "KTO moves it"},
                        field(&RunConfig::calibrate, &Calibrate::text_weight), weight),
          number_option({"kto_weight", "1", Identity::yes, "weight of the KTO term in the loss"},
                        field(&RunConfig::calibrate, &Calibrate::kto_weight), weight),
          number_option({"beta", "0.1", Identity::yes, "KTO and DPO: how strongly log-ratios count"},
                        kto(&KtoConfig::beta), {0, Bound::excluded, 1000, Bound::included}),
          number_option({"kto_weight_accepted", "1", Identity::yes, "KTO: weight w_d of accepted answers"},
                        kto(&KtoConfig::weight_accepted), weight),
          number_option({"kto_weight_rejected", "1", Identity::yes, "KTO: weight w_u of rejected answers"},
                        kto(&KtoConfig::weight_rejected), weight),
          choice_option({"kto_positions", "rest", Identity::yes,
                         "which tokens of an answer KTO covers; rest: those after the first, which the KL "
                         "covers; all: every token"},
                        kto(&KtoConfig::positions), positions),
          choice_option({"kto_pairs", "mismatched", Identity::yes,
                         "answers on which z is estimated; mismatched: the next prompt's; rotated: half of "
                         "them the prompt's own rejected ones, as the authors do"},
                        kto(&KtoConfig::pairs), pairs),
      }};
}

OptionGroup optimizer_options() {
  using Optimizer = OptimizerConfig;
  auto number = [](OptionText text, double Optimizer::*member, NumberRange range) {
    return number_option(std::move(text), field(&RunConfig::optimizer, member), range);
  };
  Names<LearningRateSchedule> schedules = {{"constant", LearningRateSchedule::constant},
                                           {"cosine", LearningRateSchedule::cosine},
                                           {"quadratic", LearningRateSchedule::quadratic}};
  return {
      "Batch and optimizer (both stages)",
      {
          integer_option({"batch_prompts", "8", Identity::yes, "prompts per step; KTO needs at least two"},
                         field(&RunConfig::batch, &BatchConfig::batch_prompts), {1, most_prompts}),
          integer_option({"micro_batches", "4", Identity::yes,
                          "number of parts that a step's batch is cut into, the same on any number of ranks; "
                          "at most batch_prompts"},
                         field(&RunConfig::batch, &BatchConfig::micro_batches), {1, most_prompts}),
          number({"adam_beta1", "0.9", Identity::yes, "AdamW: decay of the gradient's mean"},
                 &Optimizer::beta1, decay),
          number({"adam_beta2", "0.95", Identity::yes, "AdamW: decay of the gradient's mean square"},
                 &Optimizer::beta2, decay),
          number({"adam_epsilon", "1e-08", Identity::yes,
                  "AdamW: added to the root mean square, against division by 0"},
                 &Optimizer::epsilon, {0, Bound::excluded, 1, Bound::included}),
          number({"weight_decay", "0", Identity::yes, "decoupled weight decay"}, &Optimizer::weight_decay,
                 {0, Bound::included, 10, Bound::included}),
          number({"muon_momentum", "0.6", Identity::yes, "Muon: decay of the gradient's mean"},
                 &Optimizer::momentum, decay),
          number({"clip_norm", "1", Identity::yes,
                  "gradients with a larger norm are scaled down to it; in stage 2, to it times the largest "
                  "of kl_weight, text_weight and kto_weight"},
                 &Optimizer::clip_norm, {0, Bound::excluded, 1e6, Bound::included}),
          integer_option(
              {"warmup_steps", "20", Identity::yes, "steps over which the learning rate rises to its peak"},
              field(&RunConfig::optimizer, &Optimizer::warmup_steps), {0, most_steps}),
          choice_option({"schedule", "quadratic", Identity::yes,
                         "how the learning rate goes on after the warm-up; quadratic: down to 0 as the "
                         "square of the share of steps left"},
                        field(&RunConfig::optimizer, &Optimizer::schedule), schedules),
      }};
}

OptionGroup keep_options() {
  using Keep = KeepConfig;
  auto of = [](auto member) { return field(&RunConfig::keep, member); };
  return {"What must not change",
          {
              number_option({"retain_weight", "4", Identity::yes,
                             "weight of the replay prompts' KL from the untouched model, in both stages, in "
                             "units of the loss's largest weight; 0: nothing holds the model to what it was"},
                            of(&Keep::weight), weight),
              integer_option({"retain_prompts", "6", Identity::yes, "replay prompts added to each step"},
                             of(&Keep::prompts), {1, most_prompts}),
              integer_option({"retain_text_every", "2", Identity::yes,
                              "one replay prompt in N is held at every token of an answer that the untouched "
                              "model gave, the others at the answer's first token only"},
                             of(&Keep::text_every), {1, most_prompts}),
              integer_option(
                  {"retain_tokens", "16", Identity::yes, "longest answer of a replay prompt, in tokens"},
                  of(&Keep::tokens), {1, 4096}),
              path_option({"keep_train", "keep-train", Identity::no,
                           "list of replay prompts by kind: a file, or a list that comes with the program; a "
                           "dataset's own [keep] section is added"},
                          of(&Keep::train), "NAME|PATH", EmptyText::refused),
              path_option({"keep_test", "keep-test", Identity::no,
                           "list of prompts on which the report compares the trained model with the "
                           "untouched one: a file, or a list that comes with the program"},
                          of(&Keep::test), "NAME|PATH", EmptyText::refused),
              flag_option({"retention", "true", Identity::no,
                           "measure what training changed elsewhere: KL and leak on keep_test, the "
                           "perplexity of plain text, and easy questions"},
                          of(&Keep::measure)),
          }};
}

OptionGroup story_options() {
  using Story = StoryConfig;
  auto of = [](auto member) { return field(&RunConfig::story, member); };
  Names<Answers> answers = {{"dataset", Answers::dataset}, {"self", Answers::self}};
  return {
      "Stories that follow the target",
      {
          choice_option({"answers", "dataset", Identity::yes,
                         "self: both stages also train on stories of the untouched model, so that their "
                         "categories follow the target (docs/stories.md)"},
                        of(&Story::answers), answers),
          number_option(
              {"self_weight", "1", Identity::yes,
               "weight of the model's own stories (answers = self), in units of the loss's largest weight"},
              of(&Story::weight), weight),
          number_option({"self_text_weight", "0.1", Identity::yes,
                         "weight of a story's other tokens; the token that tells its category weighs 1"},
                        of(&Story::text_weight), weight),
          integer_option(
              {"self_prompts", "2", Identity::yes, "story prompts added to each step (answers = self)"},
              of(&Story::prompts), {1, most_prompts}),
          integer_option({"self_stories", "2", Identity::yes,
                          "stories of each category that a story prompt is trained on"},
                         of(&Story::stories), {1, most_prompts}),
          integer_option(
              {"self_draws", "8", Identity::yes,
               "stories drawn once, before training, for each subject, story wording and category, without "
               "naming it; again with its name where fewer than self_stories tell it"},
              of(&Story::draws), {1, most_prompts}),
          integer_option(
              {"self_tokens", "32", Identity::yes, "longest of the model's own stories, in tokens"},
              of(&Story::tokens), {1, 4096}),
      }};
}

OptionGroup measure_options() {
  using Measure = MeasureConfig;
  auto of = [](auto member) { return field(&RunConfig::measure, member); };
  return {
      "Measuring",
      {
          list_option(
              {"test_sets", "heldout,v2", Identity::no,
               "wordings to measure on; heldout: training wordings kept out of training; v2: one-word "
               "questions; v3: stories; ood: subjects never trained on; train: the training wordings"},
              of(&Measure::test_sets), {"heldout", "v2", "v3", "ood", "train"}, ListOrder::as_written),
          integer_option({"rounds", "100", Identity::yes, "how often each subject is asked in all"},
                         of(&Measure::rounds), {1, 10'000'000}),
          integer_option({"max_answer_tokens", "32", Identity::yes,
                          "longest answer, in tokens; a longer one is cut and counted as cut"},
                         of(&Measure::max_answer_tokens), {1, most_prompts}),
          integer_option({"verbalized_tokens", "96", Identity::yes,
                          "longest list of answers with probabilities (method verbalized), in tokens"},
                         of(&Measure::verbalized_tokens), {1, most_prompts}),
          integer_option({"story_tokens", "64", Identity::yes,
                          "longest answer to a story prompt (v3), in tokens; it is read as far as it goes"},
                         of(&Measure::story_tokens), {1, most_prompts}),
          number_option({"exact_threshold", "1e-05", Identity::yes,
                         "exact shares: nodes with a smaller probability are not expanded"},
                        of(&Measure::exact_threshold), {0, Bound::excluded, 1, Bound::included}),
          integer_option({"exact_nodes", "256", Identity::yes,
                          "exact shares: most nodes expanded per prompt, the same number at each depth; 0: "
                          "no exact shares"},
                         of(&Measure::exact_nodes), {0, 1'000'000}),
          integer_option({"unit_prompts", "16", Identity::yes, "prompts measured together as one unit"},
                         of(&Measure::unit_prompts), {1, most_prompts}),
          number_or_auto_option({"measure_memory", "auto", Identity::no,
                                 "GiB of memory per rank for measuring units of prompts side by side; auto: "
                                 "half of what is free"},
                                of(&Measure::memory_gib), {0, Bound::excluded, 1e6, Bound::included}),
      }};
}

OptionGroup judge_options() {
  auto of = [](auto member) { return field(&RunConfig::judge, member); };
  return {"Judging stories",
          {
              text_option({"judge", "lexical", Identity::no,
                           "who reads stories (v3) for their category; lexical: whole words; local: a second "
                           "judge, a model run here; or the URL of an OpenAI-compatible server as second "
                           "judge, such as https://HOST/v1. A second judge is compared with the first"},
                          of(&JudgeConfig::name), "lexical|local|URL", EmptyText::refused),
              text_option({"judge_model", "", Identity::no,
                           "the model that judges: its name on the server, or, with judge = local, a name or "
                           "file as for the key model; empty: the job's own model, untouched"},
                          of(&JudgeConfig::model), "NAME", EmptyText::allowed),
              path_option({"judge_key_file", "", Identity::no,
                           "file with the server's key; empty: the environment variable APPORTION_JUDGE_KEY, "
                           "if set. The key itself is never stored"},
                          of(&JudgeConfig::key_file), "FILE", EmptyText::allowed),
              number_option({"judge_timeout_s", "30", Identity::no, "seconds that the server has to answer"},
                            of(&JudgeConfig::timeout_s), {0, Bound::excluded, 3600, Bound::included}),
          }};
}

OptionGroup compute_options() {
  using Ranks = RanksConfig;
  Names<ComputeType> types = {{"auto", ComputeType::automatic},
                              {"float32", ComputeType::float32},
                              {"bfloat16", ComputeType::bfloat16}};
  return {"Computing",
          {
              choice_option({"train_compute_type", "auto", Identity::yes,
                             "number type of training's matrix products; auto: bfloat16 where the device is "
                             "fast at it, else float32"},
                            field(&RunConfig::train_compute_type), types),
              choice_option({"measure_compute_type", "float32", Identity::yes,
                             "number type of measuring's matrix products"},
                            field(&RunConfig::measure_compute_type), types),
              integer_option({"threads", "0", Identity::no,
                              "threads per rank; 0: the rank's share of the cores that it may use; a control "
                              "group's quota or OMP_NUM_THREADS may make it fewer"},
                             field(&RunConfig::ranks, &Ranks::threads), {0, 4096}),
              integer_option(
                  {"group_size", "0", Identity::no, "ranks that share a task; 0: chosen by the program"},
                  field(&RunConfig::ranks, &Ranks::group_size), {0, 1'000'000}),
              number_option(
                  {"timeout_s", "300", Identity::no, "seconds that an operation between ranks may take"},
                  field(&RunConfig::ranks, &Ranks::timeout_s), {0, Bound::excluded, 1e6, Bound::included}),
              number_option({"connect_timeout_s", "1800", Identity::no,
                             "seconds that ranks have at the start of a task to connect and load the model; "
                             "allow for a slow file system that all of them read at once"},
                            field(&RunConfig::ranks, &Ranks::connect_timeout_s),
                            {0, Bound::excluded, 1e6, Bound::included}),
              number_option({"silence_s", "60", Identity::no,
                             "a rank that gives no sign of life for so many seconds (it gives one each "
                             "second) counts as lost, and the job ends"},
                            field(&RunConfig::ranks, &Ranks::silence_s),
                            {2, Bound::included, 1e6, Bound::included}),
              number_option({"end_grace_s", "120", Identity::no,
                             "a run saves its state and leaves so many seconds before its Slurm job ends; "
                             "when asked to stop by a signal, it has so long to do so"},
                            field(&RunConfig::ranks, &Ranks::end_grace_s),
                            {0, Bound::included, 1e6, Bound::included}),
          }};
}

OptionGroup base_options() {
  using Ranks = RanksConfig;
  Names<BaseType> bases = {{"compute", BaseType::compute}, {"int8", BaseType::int8}, {"q4", BaseType::q4}};
  Names<BasePlace> places = {{"memory", BasePlace::memory}, {"file", BasePlace::file}};
  Names<bool> sharings = {{"used", true}, {"ignored", false}};
  Names<Residence> residences = {
      {"auto", Residence::automatic}, {"always", Residence::always}, {"never", Residence::never}};
  Names<Recompute> recomputes = {
      {"auto", Recompute::automatic}, {"never", Recompute::never}, {"always", Recompute::always}};
  return {"The frozen base and its shards",
          {
              choice_option({"base_type", "compute", Identity::yes,
                             "how the base's linear layers are stored: in the type they are computed in, or "
                             "packed (int8: 34 bytes for 32 weights; q4: 20) and unpacked for each use"},
                            field(&RunConfig::base, &BaseConfig::type), bases),
              choice_option({"base_place", "memory", Identity::no,
                             "where a rank keeps its part of the base between uses; file: it stays in the "
                             "model's file and is read again for each use (synthetic weights are made "
                             "again), so that only blocks in use take memory"},
                            field(&RunConfig::base, &BaseConfig::place), places),
              integer_or_auto_option(
                  {"shard_size", "auto", Identity::no,
                   "neighbouring ranks that together hold one copy of the base; 1: each rank has its own; "
                   "auto: the smallest number with which it fits in memory (in plan: the fastest that fits)"},
                  field(&RunConfig::ranks, &Ranks::shard_size), {1, 1'048'576}),
              choice_option({"node_sharing", "used", Identity::no,
                             "used: ranks on one machine keep what they hold once, in shared memory; "
                             "ignored: they gather as if they were on different machines"},
                            field(&RunConfig::ranks, &Ranks::node_sharing), sharings),
              choice_option({"resident", "auto", Identity::no,
                             "whether gathered blocks stay in memory; never: they are gathered again in each "
                             "pass; auto: as many stay as fit"},
                            field(&RunConfig::ranks, &Ranks::resident), residences),
              choice_option(
                  {"recompute", "auto", Identity::no,
                   "always: keep only the blocks' inputs for the backward pass and compute each block twice; "
                   "auto: only where it would not fit otherwise (in plan: or where that is faster)"},
                  field(&RunConfig::ranks, &Ranks::recompute), recomputes),
          }};
}

OptionGroup output_options() {
  using Output = OutputConfig;
  return {"Output",
          {
              path_option(
                  {"output", "", Identity::no, "results folder; empty: runs/NAME for a job file NAME.ini"},
                  field(&RunConfig::output, &Output::directory), "DIR", EmptyText::allowed),
              integer_option({"checkpoint_steps", "0", Identity::no,
                              "a training task saves its state after every so many steps, so that it can go "
                              "on after a kill; 0: only when asked to stop"},
                             field(&RunConfig::output, &Output::checkpoint_steps), {0, most_steps}),
              number_option({"lease_s", "60", Identity::no,
                             "a run that gives no sign of life for so many seconds (it gives one every two) "
                             "loses its tasks to other runs in the same folder"},
                            field(&RunConfig::output, &Output::lease_s),
                            {5, Bound::included, 1e6, Bound::included}),
              flag_option({"leave", "false", Identity::no,
                           "end as soon as all remaining tasks are being worked on by other runs in the "
                           "folder, or wait for those"},
                          field(&RunConfig::output, &Output::leave)),
              flag_option({"force", "false", Identity::no, "do tasks again even where their results exist"},
                          field(&RunConfig::output, &Output::force)),
              flag_option({"quiet", "false", Identity::no, "print no progress"},
                          field(&RunConfig::output, &Output::quiet)),
              flag_option({"json", "false", Identity::no, "print the final table as JSON"},
                          field(&RunConfig::output, &Output::json)),
          }};
}

}  // namespace

const std::vector<OptionGroup>& option_groups() {
  static const std::vector<OptionGroup> groups = {
      data_options(), method_options(),   sft_options(),     calibrate_options(), optimizer_options(),
      keep_options(), story_options(),    measure_options(), judge_options(),     compute_options(),
      base_options(), capacity_options(), scale_options(),   output_options()};
  return groups;
}

const std::vector<const Option*>& option_table() {
  static const std::vector<const Option*> table = [] {
    std::vector<const Option*> options;
    for (const auto& group : option_groups()) {
      for (const auto& option : group.options) options.push_back(&option);
    }
    return options;
  }();
  return table;
}

const Option* find_option(const std::string& key) {
  for (const Option* option : option_table()) {
    if (option->key == key) return option;
  }
  return nullptr;
}

std::string nearest_key(const std::string& key) {
  std::vector<std::string> keys;
  for (const Option* option : option_table()) keys.push_back(option->key);
  return nearest_word(key, keys);
}

}  // namespace apportion
