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
                         "what is trained, and how it is asked; each is described in "
                         "docs/adding-a-loss.md"},
                        field(&RunConfig::method), methods),
          choice_option({"preset", "none", Identity::no,
                         "defaults that stand together; authors: those of the paper's program, to compare "
                         "with; unheld: shares alone, exacter and sooner, and nothing is left of the model "
                         "for other questions. A key that is set wins"},
                        field(&RunConfig::preset), presets),
          choice_option(
              {"adapter", "lora", Identity::yes,
               "lora: train low-rank adapters beside the frozen model; none: train all weights, whose "
               "learning rates are 5e-05 and 1e-05 and whose stage 1 has twice the steps unless set"},
              field(&RunConfig::adapter), adapters),
          choice_option(
              {"steering", "digit", Identity::yes,
               "what stands for a category: a digit (up to 10), a letter (up to 26) or a word (up to "
               "40) in front of the answer, or, without any (path), the sum over the answers that "
               "name it; auto: the first of digit, letter and word of which each is one token where "
               "the model's answers begin (docs/datasets.md)"},
              field(&RunConfig::steering), steerings),
          integer_option({"lora_rank", "32", Identity::yes, "rank of the LoRA matrices"},
                         field(&RunConfig::lora, &Lora::rank), {1, 4096}),
          number_option({"lora_alpha", "128", Identity::yes,
                         "LoRA products are scaled by alpha / rank; a larger one lets B learn faster than A"},
                        field(&RunConfig::lora, &Lora::alpha), {0, Bound::excluded, 1e6, Bound::included}),
          list_option({"lora_targets", join(lora_target_names(), ","), Identity::yes,
                       "linear layers that get LoRA; the default is all of them, also where a model has q, k "
                       "and v in one layer, or gate and up"},
                      field(&RunConfig::lora, &Lora::targets), all_lora_targets(), ListOrder::as_allowed),
          number_option(
              {"lora_layers", "0.5", Identity::yes,
               "share of the blocks, the uppermost, that get LoRA; steps pass no gradient below them"},
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
               "stage 1 ends early: when the mean KL of an epoch's steps, and what their coverage lacks, "
               "are below this, the learning rate falls to 0 over cooldown_steps; 0: never"},
              stop(&StopConfig::kl), {0, Bound::included, 1, Bound::included}),
          integer_option({"sft_cooldown_steps", "15", Identity::yes, "steps after that"},
                         stop(&StopConfig::cooldown_steps), {1, most_steps}),
          number_option(
              {"sft_wrong_text", "0", Identity::yes,
               "plants a fault, to see whether stage 2 mends it: this share of the answers' weight has "
               "another category's text behind the steering token"},
              field(&RunConfig::sft, &Sft::wrong_text), {0, Bound::included, 1, Bound::excluded}),
          choice_option({"sft_weights", "split", Identity::yes,
                         "split: target share on the first token, and on the rest together; token_mean: "
                         "target share on every token, over the batch's tokens; sequence: the same over "
                         "its prompts, the default with steering = path"},
                        field(&RunConfig::sft, &Sft::weights), weights),
          number_option(
              {"sft_text_weight", "2", Identity::yes,
               "with sft_weights = split: weight of an answer behind its first token, which weighs 1"},
              field(&RunConfig::sft, &Sft::text_weight), {0, Bound::included, 1e6, Bound::included}),
          integer_option({"sft_text_every", "4", Identity::yes,
                          "with sft_weights = split and steering tokens: one prompt of so many has its "
                          "answers' text, which weighs so many times as much; each in its turn"},
                         field(&RunConfig::sft, &Sft::text_every), {1, most_prompts}),
          number_option({"sft_common_weight", "0.25", Identity::yes,
                         "likewise: weight of the steering tokens' mean error over a batch; 1: none of its "
                         "own"},
                        field(&RunConfig::sft, &Sft::common_weight),
                        {0, Bound::excluded, 1, Bound::included}),
          choice_option({"sft_optimizer", "adamw", Identity::yes,
                         "muon: steps along each matrix's mean gradient with all its singular values made "
                         "equal; adamw: the only one with adapter = none"},
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
                                 "peak learning rate of stage 2; auto: likewise"},
                                field(&RunConfig::calibrate, &Calibrate::learning_rate), rate),
          number_option({"kl_weight", "300", Identity::yes, "weight of the steering tokens' KL in the loss"},
                        field(&RunConfig::calibrate, &Calibrate::kl_weight), weight),
          number_option(
              {"text_weight", "100", Identity::yes,
               "weight of the accepted answers' text, behind the first token, beside KTO; 0: KTO alone "
               "moves it"},
              field(&RunConfig::calibrate, &Calibrate::text_weight), weight),
          number_option({"kto_weight", "1", Identity::yes, "weight of the KTO term in the loss"},
                        field(&RunConfig::calibrate, &Calibrate::kto_weight), weight),
          number_option({"beta", "0.1", Identity::yes, "KTO and DPO: how sharply log-ratios count"},
                        kto(&KtoConfig::beta), {0, Bound::excluded, 1000, Bound::included}),
          number_option({"kto_weight_accepted", "1", Identity::yes, "KTO: weight w_d of accepted answers"},
                        kto(&KtoConfig::weight_accepted), weight),
          number_option({"kto_weight_rejected", "1", Identity::yes, "KTO: weight w_u of rejected answers"},
                        kto(&KtoConfig::weight_rejected), weight),
          choice_option({"kto_positions", "rest", Identity::yes,
                         "tokens of an answer that KTO covers; rest: those behind the first, which the KL "
                         "owns"},
                        kto(&KtoConfig::positions), positions),
          choice_option({"kto_pairs", "mismatched", Identity::yes,
                         "answers that z is estimated on; mismatched: the next prompt's; rotated: half of "
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
                                           {"cosine", LearningRateSchedule::cosine}};
  return {
      "Batch and optimizer (both stages)",
      {
          integer_option({"batch_prompts", "8", Identity::yes, "prompts of a step; KTO needs two"},
                         field(&RunConfig::batch, &BatchConfig::batch_prompts), {1, most_prompts}),
          integer_option({"micro_batches", "4", Identity::yes,
                          "parts that a step's batch is cut into, at any number of ranks; at most "
                          "batch_prompts"},
                         field(&RunConfig::batch, &BatchConfig::micro_batches), {1, most_prompts}),
          number({"adam_beta1", "0.9", Identity::yes, "AdamW: decay of the mean"}, &Optimizer::beta1, decay),
          number({"adam_beta2", "0.95", Identity::yes, "AdamW: decay of the mean square"}, &Optimizer::beta2,
                 decay),
          number({"adam_epsilon", "1e-08", Identity::yes, "AdamW: added to the root mean square"},
                 &Optimizer::epsilon, {0, Bound::excluded, 1, Bound::included}),
          number({"weight_decay", "0", Identity::yes, "decoupled weight decay"}, &Optimizer::weight_decay,
                 {0, Bound::included, 10, Bound::included}),
          number({"muon_momentum", "0.6", Identity::yes, "Muon: decay of the mean"}, &Optimizer::momentum,
                 decay),
          number({"clip_norm", "1", Identity::yes,
                  "gradients of a larger norm are scaled down to it; stage 2: to it times the largest of "
                  "kl_weight, text_weight and kto_weight"},
                 &Optimizer::clip_norm, {0, Bound::excluded, 1e6, Bound::included}),
          integer_option({"warmup_steps", "20", Identity::yes, "steps over which the learning rate rises"},
                         field(&RunConfig::optimizer, &Optimizer::warmup_steps), {0, most_steps}),
          choice_option({"schedule", "cosine", Identity::yes, "learning rate after the warm-up"},
                        field(&RunConfig::optimizer, &Optimizer::schedule), schedules),
      }};
}

OptionGroup keep_options() {
  using Keep = KeepConfig;
  auto of = [](auto member) { return field(&RunConfig::keep, member); };
  return {
      "What must not change",
      {
          number_option(
              {"retain_weight", "4", Identity::yes,
               "weight of the replay prompts' KL from the untouched model, in both stages, in units of "
               "the loss's largest weight; 0: nothing holds the model to what it was"},
              of(&Keep::weight), weight),
          integer_option({"retain_prompts", "6", Identity::yes, "replay prompts that join a step"},
                         of(&Keep::prompts), {1, most_prompts}),
          integer_option(
              {"retain_text_every", "2", Identity::yes,
               "one replay prompt of so many is kept at every token of an answer that the untouched "
               "model gives, the others at the answer's first token"},
              of(&Keep::text_every), {1, most_prompts}),
          integer_option({"retain_tokens", "16", Identity::yes, "longest of these answers, in tokens"},
                         of(&Keep::tokens), {1, 4096}),
          path_option(
              {"keep_train", "keep-train", Identity::no,
               "list of replay prompts by kind, a file or one that comes with the program; a dataset's "
               "[keep] is added"},
              of(&Keep::train), "NAME|PATH", EmptyText::refused),
          path_option(
              {"keep_test", "keep-test", Identity::no,
               "list of prompts on which the report compares the trained model with the untouched one"},
              of(&Keep::test), "NAME|PATH", EmptyText::refused),
          flag_option(
              {"retention", "true", Identity::no,
               "measure what training changed elsewhere: KL and leak on keep_test, the perplexity of plain "
               "text, easy questions"},
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
          number_option({"self_weight", "1", Identity::yes,
                         "weight of these stories, in units of the loss's largest weight"},
                        of(&Story::weight), weight),
          number_option({"self_text_weight", "0.1", Identity::yes,
                         "weight of a story's tokens beside the one that tells its category, which weighs 1"},
                        of(&Story::text_weight), weight),
          integer_option({"self_prompts", "2", Identity::yes, "story prompts that join a step"},
                         of(&Story::prompts), {1, most_prompts}),
          integer_option(
              {"self_stories", "2", Identity::yes, "stories of each category that such a prompt has"},
              of(&Story::stories), {1, most_prompts}),
          integer_option({"self_draws", "2", Identity::yes,
                          "stories that are drawn, once, for each subject, story wording and category"},
                         of(&Story::draws), {1, most_prompts}),
          integer_option({"self_tokens", "32", Identity::yes, "longest of these, in tokens"},
                         of(&Story::tokens), {1, 4096}),
      }};
}

OptionGroup measure_options() {
  using Measure = MeasureConfig;
  auto of = [](auto member) { return field(&RunConfig::measure, member); };
  return {
      "Measuring",
      {
          list_option({"test_sets", "heldout,v2", Identity::no,
                       "wordings to measure on: held-out training wordings, one-word questions (v2), "
                       "stories (v3), subjects never trained on (ood), training wordings"},
                      of(&Measure::test_sets), {"heldout", "v2", "v3", "ood", "train"},
                      ListOrder::as_written),
          integer_option({"rounds", "100", Identity::yes, "times that each subject is asked, in all"},
                         of(&Measure::rounds), {1, 10'000'000}),
          integer_option({"max_answer_tokens", "32", Identity::yes, "longer answers are cut, and counted so"},
                         of(&Measure::max_answer_tokens), {1, most_prompts}),
          integer_option({"verbalized_tokens", "96", Identity::yes,
                          "the same of lists of answers with probabilities (method verbalized)"},
                         of(&Measure::verbalized_tokens), {1, most_prompts}),
          integer_option({"story_tokens", "64", Identity::yes,
                          "tokens of an answer to a story prompt (v3), which is read as far as it goes"},
                         of(&Measure::story_tokens), {1, most_prompts}),
          number_option({"exact_threshold", "1e-05", Identity::yes,
                         "exact shares: nodes of smaller probability are not expanded"},
                        of(&Measure::exact_threshold), {0, Bound::excluded, 1, Bound::included}),
          integer_option({"exact_nodes", "256", Identity::yes,
                          "exact shares: most nodes expanded per prompt, an equal part of them at each "
                          "depth; 0: no exact shares"},
                         of(&Measure::exact_nodes), {0, 1'000'000}),
          integer_option({"unit_prompts", "16", Identity::yes, "prompts measured together"},
                         of(&Measure::unit_prompts), {1, most_prompts}),
          number_or_auto_option({"measure_memory", "auto", Identity::no,
                                 "GiB of a rank for units of prompts that are measured side by side; auto: "
                                 "half of what is free"},
                                of(&Measure::memory_gib), {0, Bound::excluded, 1e6, Bound::included}),
      }};
}

OptionGroup judge_options() {
  auto of = [](auto member) { return field(&RunConfig::judge, member); };
  return {
      "Judging stories",
      {
          text_option(
              {"judge", "lexical", Identity::no,
               "who reads stories (v3); lexical: whole words; local: a model that is run here, or the URL "
               "of an OpenAI-compatible server, as https://HOST/v1: a second judge, compared with "
               "the first"},
              of(&JudgeConfig::name), "lexical|local|URL", EmptyText::refused),
          text_option(
              {"judge_model", "", Identity::no,
               "the model that judges: the server's name of it; with local a name or GGUF file as in model, "
               "empty: the job's own, untouched"},
              of(&JudgeConfig::model), "NAME", EmptyText::allowed),
          path_option({"judge_key_file", "", Identity::no,
                       "file with the key for the server; empty: the environment's APPORTION_JUDGE_KEY, "
                       "if any. The key itself is stored nowhere"},
                      of(&JudgeConfig::key_file), "FILE", EmptyText::allowed),
          number_option({"judge_timeout_s", "30", Identity::no, "seconds that the server has for an answer"},
                        of(&JudgeConfig::timeout_s), {0, Bound::excluded, 3600, Bound::included}),
      }};
}

OptionGroup compute_options() {
  using Ranks = RanksConfig;
  Names<ComputeType> types = {{"auto", ComputeType::automatic},
                              {"float32", ComputeType::float32},
                              {"bfloat16", ComputeType::bfloat16}};
  return {
      "Computing",
      {
          choice_option({"train_compute_type", "auto", Identity::yes,
                         "type of training's matrix products; auto: bfloat16 where the device is fast at it"},
                        field(&RunConfig::train_compute_type), types),
          choice_option(
              {"measure_compute_type", "float32", Identity::yes, "type of measuring's matrix products"},
              field(&RunConfig::measure_compute_type), types),
          integer_option({"threads", "0", Identity::no,
                          "threads per rank; 0: the rank's part of the cores that it may use, of which a "
                          "control group's quota and OMP_NUM_THREADS may leave fewer"},
                         field(&RunConfig::ranks, &Ranks::threads), {0, 4096}),
          integer_option({"group_size", "0", Identity::no, "ranks that share a task; 0: chosen"},
                         field(&RunConfig::ranks, &Ranks::group_size), {0, 1'000'000}),
          number_option(
              {"timeout_s", "300", Identity::no, "seconds that an operation between ranks may take"},
              field(&RunConfig::ranks, &Ranks::timeout_s), {0, Bound::excluded, 1e6, Bound::included}),
          number_option({"connect_timeout_s", "1800", Identity::no,
                         "seconds that ranks have at the start of a task to connect and to load the model; a "
                         "file system that all of them read at once is slow"},
                        field(&RunConfig::ranks, &Ranks::connect_timeout_s),
                        {0, Bound::excluded, 1e6, Bound::included}),
          number_option({"silence_s", "60", Identity::no,
                         "seconds without a sign of life, which a rank gives each second, after which it is "
                         "lost and the job ends"},
                        field(&RunConfig::ranks, &Ranks::silence_s),
                        {2, Bound::included, 1e6, Bound::included}),
          number_option(
              {"end_grace_s", "120", Identity::no,
               "seconds before the end of its Slurm job at which a run saves its state and leaves; a "
               "run that is asked to stop by a signal has as long for it"},
              field(&RunConfig::ranks, &Ranks::end_grace_s), {0, Bound::included, 1e6, Bound::included}),
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
  return {
      "The frozen base and its shards",
      {
          choice_option(
              {"base_type", "compute", Identity::yes,
               "storage of the base's linear layers: as they are computed with, or packed (int8: 34 "
               "bytes for 32 weights, q4: 20) and unpacked for each use"},
              field(&RunConfig::base, &BaseConfig::type), bases),
          choice_option(
              {"base_place", "memory", Identity::no,
               "a rank's part of the base between uses; file: left in the model's file and read anew for "
               "each use (synthetic weights are made anew), so that only blocks in use take memory"},
              field(&RunConfig::base, &BaseConfig::place), places),
          integer_or_auto_option(
              {"shard_size", "auto", Identity::no,
               "neighbouring ranks that hold one copy of the base together; 1: each has its own; auto: the "
               "fewest with which it fits in their memory (plan: the fastest that fits)"},
              field(&RunConfig::ranks, &Ranks::shard_size), {1, 1'048'576}),
          choice_option(
              {"node_sharing", "used", Identity::no,
               "used: ranks of one machine keep what they hold together once, in memory that all see; "
               "ignored: they gather as if they were apart"},
              field(&RunConfig::ranks, &Ranks::node_sharing), sharings),
          choice_option({"resident", "auto", Identity::no,
                         "gathered blocks stay; never: they are gathered again each pass; auto: as memory "
                         "allows"},
                        field(&RunConfig::ranks, &Ranks::resident), residences),
          choice_option({"recompute", "auto", Identity::no,
                         "always: keep only the blocks' inputs for the backward pass, and compute each block "
                         "twice; auto: where it would not fit otherwise (plan: or is faster)"},
                        field(&RunConfig::ranks, &Ranks::recompute), recomputes),
      }};
}

OptionGroup output_options() {
  using Output = OutputConfig;
  return {
      "Output",
      {
          path_option(
              {"output", "", Identity::no, "results folder; empty: runs/NAME for a job file NAME.ini"},
              field(&RunConfig::output, &Output::directory), "DIR", EmptyText::allowed),
          integer_option({"checkpoint_steps", "0", Identity::no,
                          "steps after which a training task saves its state, so that one that was killed "
                          "goes on from there; 0: only when it is asked to stop"},
                         field(&RunConfig::output, &Output::checkpoint_steps), {0, most_steps}),
          number_option({"lease_s", "60", Identity::no,
                         "seconds without a sign of life, which a run gives each two, after which other runs "
                         "in the same folder take over its tasks"},
                        field(&RunConfig::output, &Output::lease_s),
                        {5, Bound::included, 1e6, Bound::included}),
          flag_option({"leave", "false", Identity::no,
                       "end when all that is left is at work in other runs of the folder, or waits for it"},
                      field(&RunConfig::output, &Output::leave)),
          flag_option({"force", "false", Identity::no, "do tasks again whose results exist"},
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
