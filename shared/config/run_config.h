// A run's configuration, typed and validated once. The keys, with defaults and help, are in option_table.cpp.
// Each part of the program takes the struct it needs, never the whole.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shared/architecture/block.h"
#include "shared/config/target.h"

namespace apportion {

/// method.h's table says what each one is.
enum class Method { zero_shot, prompted, oracle_draw, verbalized, ift, dpo, sft, kl_only, kto_only, full };
/// Settings that belong together; `authors`: those of the paper's program, for comparison.
enum class Preset { none, authors, unheld };
enum class ComputeType { automatic, float32, bfloat16 };
/// What stands for a category in training: a digit, letter or word in front of the answer, or all answers
/// that name it. `automatic` is resolved before work begins (model/steering.h).
enum class Steering { automatic, digit, letter, word, path };
enum class SftWeights { split, token_mean, sequence };
/// Whose answers training uses: the dataset's alone, or the untouched model's stories as well.
enum class Answers { dataset, self };
/// Whether training adds framed wordings to a dataset that has few (data/frames.h).
enum class Framing { automatic, none };
/// Which tokens of an answer KTO covers: all, or those after the first, which belongs to the KL.
enum class KtoPositions { rest, all };
/// Whose answers KTO's reference point z is estimated on: the next prompt's in the global batch, or, as the
/// authors do, half of those and half the prompt's own rejected ones.
enum class KtoPairs { mismatched, rotated };
/// How a gradient becomes a step (worker/train/optimizer.h).
enum class OptimizerKind { adamw, muon };
enum class LearningRateSchedule { constant, cosine, quadratic };
enum class Tuning { adapter, full };
/// What training changes: low-rank adapters on a frozen base, or all weights.
enum class AdapterKind { lora, none };
/// Whether the backward pass computes blocks again. `automatic` is resolved before work begins.
enum class Recompute { automatic, never, always };
/// Whether gathered parts of the base are kept: where memory allows, always, or never.
enum class Residence { automatic, always, never };
/// How the frozen base's linear layers are stored: in the compute type, or packed as ggml's Q8_0 or Q4_1 and
/// unpacked for each use.
enum class BaseType { compute, int8, q4 };
/// Where a rank keeps its part of the frozen base between uses: in memory, or at its source (the mapped model
/// file, or a synthetic model's generator), from where it is read anew each time.
enum class BasePlace { memory, file };
enum class Scaling { weak, strong };

constexpr int automatic_holdout = -1;  // the dataset decides, before work begins

/// Stands for the system turn that the model's own template writes when nobody gives one.
inline constexpr const char* default_system = "default";

struct DataConfig {
  std::string dataset = "gender-us-real";  // NAME | PATH
  std::string model = "smollm2";           // NAME | PATH
  std::string system = default_system;     // in front of every prompt: the template's, none, or a text
  std::string adapter_in;                  // PATH of an adapter that the model starts with; empty: none
  TargetConfig target;
  int subjects = 0;                          // only this many, from the first; 0: all
  int holdout_wordings = automatic_holdout;  // training wordings kept out of training
  Framing frames = Framing::automatic;
  uint64_t seed = 0;
};

struct LoraConfig {
  int rank = 32;
  double alpha = 128;                                      // products are scaled by alpha / rank
  std::vector<std::string> targets = lora_target_names();  // in this order
  double layers = 0.5;                                     // share of the blocks, from the top, that get them
};

/// Holds the model to what it was: replay prompts that join training's steps, and prompts that are measured.
struct KeepConfig {
  std::string train = "keep-train", test = "keep-test";  // NAME | PATH
  double weight = 4;                                     // 0: nothing is kept
  int prompts = 6;                                       // replay prompts per step
  int text_every = 2;                                    // one in so many of them has the base's answer
  int tokens = 16;                                       // longest such answer
  bool measure = true;
};

/// Stories of the untouched model that join training's steps (worker/train/stories.h).
struct StoryConfig {
  Answers answers = Answers::dataset;
  double weight = 1;
  double text_weight = 0.1;  // for a story's tokens other than the one that tells the category
  int prompts = 2;           // story prompts per step
  int stories = 2;           // per category, for each of these prompts
  int draws = 8;             // for each prompt and category
  int tokens = 32;           // longest drawn story
};

struct OptimizerConfig {
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, weight_decay = 0;
  double momentum = 0.6;  // Muon's
  double clip_norm = 1;
  int warmup_steps = 20;
  LearningRateSchedule schedule = LearningRateSchedule::quadratic;
  OptimizerKind kind = OptimizerKind::adamw;  // each stage has its own
};

struct BatchConfig {
  int batch_prompts = 8;  // prompts of a step
  int micro_batches = 4;  // M: parts of a step, at any number of ranks
};

/// A stage has learnt its target when the KL of an epoch's steps, and what their coverage lacks, are below
/// kl.
struct StopConfig {
  double kl = 0;            // 0: the stage has all its steps
  int cooldown_steps = 15;  // over which the learning rate then falls to 0
};

struct SftConfig {
  int steps = 0;             // 0: by rule (model/recipe.h)
  double learning_rate = 0;  // 0: by rule
  StopConfig stop;
  OptimizerKind optimizer = OptimizerKind::adamw;
  double wrong_text = 0;  // share of the answers' weight that has another category's text: a planted fault
  SftWeights weights = SftWeights::split;
  double text_weight = 2;       // split: weight of an answer after its first token
  int text_every = 4;           // split: one in so many prompts of a batch has its answers' text, by turns
  double common_weight = 0.25;  // split: weight of the error that a batch's prompts have in common
};

/// Plain SFT, for benchmarks and cost studies: stage 1 with every prompt's texts and errors as they are, and
/// AdamW.
inline SftConfig whole_sft(int steps, double learning_rate) {
  SftConfig sft;
  sft.steps = steps;
  sft.learning_rate = learning_rate;
  sft.optimizer = OptimizerKind::adamw;
  sft.text_every = 1;
  sft.common_weight = 1;
  return sft;
}

struct KtoConfig {
  double beta = 0.1;
  double weight_accepted = 1, weight_rejected = 1;  // w_d, w_u
  KtoPositions positions = KtoPositions::rest;
  KtoPairs pairs = KtoPairs::mismatched;
};

struct CalibrateConfig {
  int steps = 30;
  double learning_rate = 0;  // 0: by rule
  double kl_weight = 300, text_weight = 100, kto_weight = 1;
  KtoConfig kto;  // beta is also DPO's
};

struct MeasureConfig {
  std::vector<std::string> test_sets = {"heldout", "v2"};  // any of heldout, v2, v3, ood, train; as written
  uint64_t rounds = 100;                                   // N per subject
  int max_answer_tokens = 32;
  int verbalized_tokens = 96;     // for a list of answers with their probabilities
  int story_tokens = 64;          // for a story, which is read as far as it goes
  double exact_threshold = 1e-5;  // nodes of smaller probability are not expanded
  int exact_nodes = 256;          // most nodes expanded per prompt for the exact shares
  int unit_prompts = 16;          // prompts measured together
  double memory_gib = 0;          // per rank, for units measured at one time; 0: half of what is free
};

/// Who decides which category a story is about. The lexical judge always does.
struct JudgeConfig {
  std::string name = "lexical";  // or also a second judge: local, or the URL of an OpenAI-compatible server
  std::string model;             // the server's name for it; for local, as DataConfig::model; empty: that one
  std::string key_file;          // file with the server's key
  double timeout_s = 30;         // per request
};

struct BaseConfig {
  BaseType type = BaseType::compute;
  BasePlace place = BasePlace::memory;
};

struct RanksConfig {
  int threads = 0;                  // per rank; 0: allowed cores / local ranks
  int group_size = 0;               // 0: the coordinator decides
  double timeout_s = 300;           // for an operation between ranks
  double connect_timeout_s = 1800;  // for ranks to connect and load the model
  double silence_s = 60;            // a rank silent for this long is lost
  double end_grace_s = 120;         // a run stops this long before its batch job ends, and has that long to
                                    // do so
  int shard_size = 0;               // ranks that hold one base together; 1: each has all of it; 0: automatic
  bool node_sharing = true;         // ranks of one node share one copy of what they hold together
  Residence resident = Residence::automatic;
  Recompute recompute = Recompute::automatic;
};

/// What `apportion plan` predicts for: a machine, numbers of ranks, and a step of so many tokens.
struct CapacityConfig {
  std::string machine = "h100-80";
  std::vector<uint64_t> ranks = {8, 16, 32, 64, 128, 256, 512, 1024};
  Scaling scaling = Scaling::weak;  // weak: a micro-batch a rank; strong: the job's micro_batches
  int tokens = 2048;                // distinct tokens of a micro-batch
  int path = 256;                   // ancestors of a token, on average
  int rows = 512;                   // rows of a micro-batch whose log-probs are read
  Tuning tuning = Tuning::adapter;
  std::string coefficients;  // file of measured coefficients; empty: the machine's defaults
};

/// What `apportion scale` measures: training steps of synthetic shapes on some of the job's ranks; each
/// micro-batch is a tree of so many tokens.
struct ScaleConfig {
  std::string shapes = "350m";  // as after "shape:" in the key model, with blanks between
  std::vector<uint64_t> ranks = {1, 2};
  std::vector<uint64_t> shard_sizes = {1};  // those that divide the ranks
  std::vector<Scaling> scaling = {Scaling::weak, Scaling::strong};
  int tokens = 800;      // distinct tokens of a micro-batch
  int prompts = 4;       // per micro-batch
  int branches = 4;      // answers per prompt
  int steps = 5;         // timed, after one untimed step
  bool predict = false;  // print what the cost model expects, measure nothing
};

struct OutputConfig {
  std::string directory;     // results; default runs/NAME of the job file
  int checkpoint_steps = 0;  // steps between a training task's saved states; 0: only when asked to stop
  bool force = false, quiet = false, json = false;
  bool leave = false;   // when other runs of the folder are at work on all that is left
  double lease_s = 60;  // a run silent for this long loses its tasks to others
};

struct RunConfig {
  DataConfig data;
  Method method = Method::full;
  Preset preset = Preset::none;
  Steering steering = Steering::digit;
  ComputeType train_compute_type = ComputeType::automatic;
  ComputeType measure_compute_type = ComputeType::float32;
  AdapterKind adapter = AdapterKind::lora;
  LoraConfig lora;
  OptimizerConfig optimizer;
  BatchConfig batch;
  SftConfig sft;
  CalibrateConfig calibrate;
  KeepConfig keep;
  StoryConfig story;
  MeasureConfig measure;
  JudgeConfig judge;
  BaseConfig base;
  RanksConfig ranks;
  CapacityConfig capacity;
  ScaleConfig scale;
  OutputConfig output;

  /// The lora_ keys that the job file or command line set: an adapter_in must match them.
  std::set<std::string> given_lora;
  /// Every key with its resolved value as text, in the table's order; the keys point into the table.
  std::vector<std::pair<std::string_view, std::string>> resolved;
  /// The resolved value of a key; throws InternalError for an unknown key.
  const std::string& value(const std::string& key) const;
};

/// A key's value as the user wrote it. `source` says where, for errors: "jobs/x.ini, line 7" or "command
/// line".
struct Setting {
  std::string key;
  std::string value;
  std::string source;
};

/// Applies the defaults, then those of the steering, preset and method, then `settings` in order (a later one
/// wins), and checks them one by one and together. Throws UserError that names key, value, source and what
/// would be right; for an unknown key, the nearest known one.
RunConfig make_run_config(const std::vector<Setting>& settings);

/// The configurations of a sweep's cells, which share `settings`: what these alone decide is worked out once.
/// Keeps a reference to `settings`, which must outlive this.
class CellConfigs {
 public:
  explicit CellConfigs(const std::vector<Setting>& settings) : settings_(settings) {}
  /// make_run_config() of the settings followed by `own`, in which each key occurs once.
  RunConfig config_of(const std::vector<Setting>& own);

 private:
  struct Draft {  // before its keys are checked together
    RunConfig config;
    std::map<std::string, std::string> sources;  // where each key's value came from
  };
  const Draft& draft_of(const std::vector<Setting>& own);

  const std::vector<Setting>& settings_;
  std::map<std::string, Draft> drafts_;  // keyed by a cell's settings that choose other keys' defaults
};

/// The configuration with these resolved values (RunConfig::resolved), and defaults for all other keys.
/// Throws InternalError for an unknown key or a value that is not allowed.
RunConfig config_of_values(const std::map<std::string, std::string>& values);

/// Keys that say how training proceeds and how much is drawn, but not what is read or how large a step is.
const std::set<std::string>& course_keys();

/// Some of the option table's keys, stored as their places in it.
class KeySet {
 public:
  KeySet(std::initializer_list<std::string> keys) : KeySet(std::set<std::string>(keys)) {}
  explicit KeySet(const std::set<std::string>& keys);
  bool contains(size_t place) const { return holds_[place]; }

 private:
  std::vector<bool> holds_;
};

/// Equal for configurations that differ only in the values of `keys`; a value that is still open (`auto`)
/// differs from one that is set.
std::string values_without(const RunConfig& config, const KeySet& keys);

/// Fills in a value that had to be found out (`auto`, a default folder), in its field and in `resolved`.
/// Throws InternalError for an unknown key or a value that is not allowed.
void resolve_option(RunConfig& config, const std::string& key, const std::string& value);

/// The values of `keys` for a task's identity. Throws InternalError for a key that is unknown or not marked
/// as identity in the option table, so that nothing that must not matter enters an id.
std::map<std::string, std::string> identity_options(const RunConfig& config,
                                                    const std::vector<std::string>& keys);

}  // namespace apportion
