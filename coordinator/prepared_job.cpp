// From a configuration to its tasks; see prepared_job.h.
#include "coordinator/prepared_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <set>

#include "coordinator/judge/judging.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/config/method.h"
#include "shared/data/catalogue.h"
#include "shared/data/example.h"
#include "shared/data/keep.h"
#include "shared/data/story_prompts.h"
#include "shared/data/target.h"
#include "shared/measure/category.h"
#include "shared/measure/lexical_judge.h"
#include "shared/measure/story.h"
#include "shared/model/prompt_lengths.h"
#include "shared/model/shape_text.h"

namespace apportion {
namespace {

AddedWordings added_wordings_of(const Dataset& dataset, const RunConfig& config) {
  if (stages_of(config.method, config.steering).empty()) return {};
  const std::vector<std::string> added = added_wordings(dataset, config.data);
  if (added.empty()) return {};
  const size_t own = wordings_of(dataset, "train", config.data.holdout_wordings).size();
  return {
      sha256(nlohmann::json(added).dump()),
      fmt::format("training adds {} framed wordings to the dataset's {} (frames = auto)", added.size(), own)};
}

/// Of all that a retention task asks and reads.
std::string keep_digest(const RunConfig& config, const Dataset& dataset) {
  return sha256(digest_of(keep_prompts(config.keep.test, KeepUse::test, dataset, config.data)) +
                sha256_file(find_list(plain_text_list)) + sha256_file(find_list(easy_questions_list)));
}

/// Of story prompts, and of all that says which stories are kept.
std::string stories_digest(const RunConfig& config, const Dataset& dataset) {
  return sha256(digest_of(story_prompts(dataset, config.data)) + LexicalJudge::identity(dataset).dump() +
                std::to_string(least_story_words));
}

/// "[even]": behind the dataset's name in a cell's; empty for the dataset's own shares.
std::string target_suffix(const TargetConfig& target) {
  if (target.kind == TargetKind::table) return "";
  std::string text = print_target(target);
  if (target.kind == TargetKind::file) text = std::filesystem::path(text).filename().string();
  return "[" + cell_name(text) + "]";
}

/// The shares to follow in each test set, for the cell.
std::map<std::string, std::vector<std::vector<double>>> targets_of(
    const TestSetTables& tables, const std::vector<std::string>& test_sets) {
  std::map<std::string, std::vector<std::vector<double>>> targets;
  for (const std::string& test_set : test_sets) {
    const MeasureTables& of_set = tables.at(test_set);
    for (std::vector<double> row : of_set.target) {
      row.resize(of_set.categories.size(), std::numeric_limits<double>::quiet_NaN());
      targets[test_set].push_back(std::move(row));
    }
  }
  return targets;
}

CellAbout about_of(const JobCell& cell, size_t place, const TestSetTables& tables) {
  const RunConfig& config = cell.config;
  CellAbout about{config.data.dataset, description_of(config.method).name,
                  config.data.model,   print_target(config.data.target),
                  cell.swept,          targets_of(tables, config.measure.test_sets)};
  if (!cell.swept.empty()) about.place = place;
  return about;
}

/// Keys that say how training goes and what is drawn, and nothing of what a job reads.
const std::set<std::string> apart = {"rounds",
                                     "sft_steps",
                                     "sft_learning_rate",
                                     "calibrate_steps",
                                     "calibrate_learning_rate",
                                     "kl_weight",
                                     "text_weight",
                                     "kto_weight",
                                     "beta",
                                     "batch_prompts",
                                     "warmup_steps",
                                     "lora_rank",
                                     "lora_alpha",
                                     "lora_layers"};

/// Equal for cells that differ in keys of `apart`, and in `also`, alone.
std::string common_key(const RunConfig& config, const std::string& also) {
  std::string key;
  for (const auto& [name, value] : config.resolved) {
    if (name != also && !apart.contains(name)) key += value + '\n';
  }
  return key;
}

PlanInput plan_input(const RunConfig& config, const Dataset& dataset) {
  PlanInput input;
  input.training_digest = dataset.training_digest();
  for (const std::string& test_set : config.measure.test_sets)
    input.test_sets[test_set] = {dataset.questions_digest(test_set), dataset.test_digest(test_set)};
  input.dataset_name = dataset.name + target_suffix(config.data.target);
  if (config.keep.weight > 0)
    input.replay_digest = digest_of(keep_prompts(config.keep.train, KeepUse::train, dataset, config.data));
  const bool trains = !stages_of(config.method, config.steering).empty();
  if (trains && config.story.answers == Answers::self) input.stories_digest = stories_digest(config, dataset);
  if (config.keep.measure) input.keep_digest = keep_digest(config, dataset);
  return input;
}

void check_resolved(const RunConfig& config, int ranks) {
  ensure(config.ranks.shard_size > 0, "shard_size is resolved before a job is run");
  ensure(config.sft.steps > 0 && config.sft.learning_rate > 0 && config.calibrate.learning_rate > 0,
         "the recipe is resolved before a job is run");
  if (ranks % config.ranks.shard_size == 0) return;
  throw UserError(
      fmt::format("shard_size is {}, but the number of ranks (mpirun -n) is {}; a multiple of "
                  "shard_size is right",
                  config.ranks.shard_size, ranks));
}

}  // namespace

void SharedTasks::add(const std::vector<Task>& of_cell, size_t cell) {
  for (const Task& task : of_cell) {
    std::vector<size_t>& cells = cells_of[task.id];
    if (cells.empty()) tasks.push_back(task);
    cells.push_back(cell);
  }
}

const std::string& JobPreparer::digest_of_model(const std::string& model) {
  std::string& digest = model_digests_[model];
  if (digest.empty()) digest = model_digest(model);
  return digest;
}

/// The seed draws nothing of this.
std::shared_ptr<const PreparedData> JobPreparer::data_of(const RunConfig& config) {
  std::shared_ptr<const PreparedData>& known = data_[common_key(config, "seed")];
  if (known) return known;
  PreparedData data;
  data.dataset = load_dataset(config.data);
  check_steering(data.dataset, config.steering);
  check_answer_forms(data.dataset);
  data.input = plan_input(config, data.dataset);
  data.input.model_digest = digest_of_model(config.data.model);
  const Asking asking = description_of(config.method).asking;
  data.tables = make_tables(data.dataset, config.data, config.measure.test_sets, asking);
  known = std::make_shared<const PreparedData>(std::move(data));
  return known;
}

/// The shares to follow change no wording; which wordings there are is seen to fit the model.
const AddedWordings& JobPreparer::added_to(const RunConfig& config, const Dataset& dataset) {
  const std::string key = common_key(config, "target");
  const auto known = added_.find(key);
  if (known != added_.end()) return known->second;
  check_prompt_lengths(config, dataset);
  return added_[key] = added_wordings_of(dataset, config);
}

PreparedJob JobPreparer::prepare(const JobCell& cell, size_t place) {
  const RunConfig& config = cell.config;
  check_resolved(config, environment_.ranks);
  PreparedJob job;
  job.data = data_of(config);
  const AddedWordings& added = added_to(config, job.data->dataset);
  job.notice = added.notice;
  PlanInput input = job.data->input;
  input.frames_digest = added.digest;
  input.train_compute_type = environment_.resolved_type(config.train_compute_type);
  input.measure_compute_type = environment_.resolved_type(config.measure_compute_type);
  const std::string& judge_model = config.judge.model;
  if (config.judge.name == local_judge && !judge_model.empty() && !is_shape_text(judge_model))
    input.judge_model_digest = digest_of_model(judge_model);
  input.judges = judges_of(config, job.data->dataset, input);
  job.plan = make_plan(config, input, environment_.name);
  job.plan.cell.about = about_of(cell, place, job.data->tables);
  if (!cell.name.empty()) job.plan.cell.name = cell_name(cell.name);
  return job;
}

}  // namespace apportion
