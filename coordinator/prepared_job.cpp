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
#include "shared/data/keep.h"
#include "shared/data/story_prompts.h"
#include "shared/data/target.h"
#include "shared/measure/category.h"
#include "shared/measure/lexical_judge.h"
#include "shared/measure/story.h"
#include "shared/model/steering.h"
#include "shared/model_files/folder/peft_config.h"
#include "shared/model_files/model_files.h"
#include "shared/model_files/shape_text.h"

namespace apportion {
namespace {

/// Digest and notice of the wordings that training adds to the dataset's `own`, `shortened` of which are its
/// key words.
AddedWordings summary_of(const std::vector<std::string>& added, size_t own, size_t shortened) {
  if (added.empty()) return {};
  const std::string keys = shortened == 0 ? "" : fmt::format(", {} of them only key words", shortened);
  return {sha256(nlohmann::json(added).dump()),
          fmt::format("training adds {} framed wordings to the dataset's {}{} (frames = auto)", added.size(),
                      own, keys)};
}

/// Digest of everything that a retention task asks and reads.
std::string keep_digest(const RunConfig& config, const Dataset& dataset) {
  return sha256(digest_of(keep_prompts(config.keep.test, KeepUse::test, dataset, config.data)) +
                sha256_file(find_list(plain_text_list)) + sha256_file(find_list(easy_questions_list)));
}

/// Stories are kept by this rule (worker/base_answers.h); another one gives other training tasks.
constexpr const char* kept_stories_rule = "unasked, or begun without the name";

/// Digest of the story prompts and of all rules for which stories are kept.
std::string stories_digest(const RunConfig& config, const Dataset& dataset) {
  return sha256(digest_of(story_prompts(dataset, config.data)) + LexicalJudge::identity(dataset).dump() +
                std::to_string(least_story_words) + kept_stories_rule);
}

/// "[even]", to follow the dataset's name in a cell's name; empty for the dataset's own targets.
std::string target_suffix(const TargetConfig& target) {
  if (target.kind == TargetKind::table) return "";
  std::string text = print_target(target);
  if (target.kind == TargetKind::file) text = std::filesystem::path(text).filename().string();
  return "[" + cell_name(text) + "]";
}

CellAbout about_of(const JobCell& cell, size_t place) {
  const RunConfig& config = cell.config;
  CellAbout about{config.data.dataset, description_of(config.method).name, config.data.model,
                  print_target(config.data.target), cell.swept};
  if (!cell.swept.empty()) about.place = place;
  return about;
}

/// Equal for cells that differ only in target shares, seeds and how training goes.
std::string texts_key(const RunConfig& config) {
  static const KeySet apart = [] {
    std::set<std::string> keys = course_keys();
    keys.insert({"kto_weight", "batch_prompts", "lora_rank", "lora_alpha", "lora_layers", "target", "seed"});
    return KeySet(keys);
  }();
  return values_without(config, apart);
}

bool trains(const RunConfig& config) { return !stages_of(config.method, config.steering).empty(); }

void check_resolved(const RunConfig& config, int ranks) {
  ensure(config.ranks.shard_size > 0, "shard_size is resolved before a job is run");
  ensure(config.steering != Steering::automatic, "steering is resolved before a job is run");
  ensure(config.sft.steps > 0 && config.sft.learning_rate > 0 && config.calibrate.learning_rate > 0,
         "the recipe is resolved before a job is run");
  if (ranks % config.ranks.shard_size == 0) return;
  throw UserError(
      fmt::format("shard_size is {}, but the number of ranks (mpirun -n) is {}; use a multiple of shard_size",
                  config.ranks.shard_size, ranks));
}

}  // namespace

Cell PreparedJob::cell() const {
  Cell whole = plan.cell;
  for (const auto& [test_set, digests] : data->input.test_sets) {
    const MeasureTables& tables = data->tables.at(test_set);
    for (std::vector<double> row : tables.target) {
      row.resize(tables.categories.size(), std::numeric_limits<double>::quiet_NaN());
      whole.about.targets[test_set].push_back(std::move(row));
    }
  }
  return whole;
}

TaskList SharedTasks::add(std::vector<Task> of_cell, size_t cell) {
  TaskList added;
  for (Task& task : of_cell) {
    std::vector<size_t>& cells = cells_of[task.id];
    if (cells.empty()) added.push_back(std::make_shared<const Task>(std::move(task)));
    cells.push_back(cell);
  }
  tasks.insert(tasks.end(), added.begin(), added.end());
  return added;
}

const JobPreparer::Model& JobPreparer::model_of(const std::string& model) {
  Model& known = models_[model];
  if (!known.files) {
    known.files = open_model(model);
    known.digest = known.files->digest();
  }
  return known;
}

PlanInput JobPreparer::common_input(const RunConfig& config, const Dataset& dataset) {
  PlanInput input;
  for (const std::string& test_set : config.measure.test_sets)
    input.test_sets[test_set].questions = dataset.questions_digest(test_set);
  if (config.keep.weight > 0)
    input.replay_digest = digest_of(keep_prompts(config.keep.train, KeepUse::train, dataset, config.data));
  if (trains(config) && config.story.answers == Answers::self)
    input.stories_digest = stories_digest(config, dataset);
  if (config.keep.measure) input.keep_digest = keep_digest(config, dataset);
  input.model_digest = model_of(config.data.model).digest;
  if (!config.data.adapter_in.empty()) input.adapter_in_digest = adapter_digest(config.data.adapter_in);
  input.train_compute_type = environment_.resolved_type(config.train_compute_type);
  input.measure_compute_type = environment_.resolved_type(config.measure_compute_type);
  const std::string& judge_model = config.judge.model;
  if (config.judge.name == local_judge && !judge_model.empty() && !is_shape_text(judge_model))
    input.judge_model_digest = model_of(judge_model).digest;
  input.judges = judges_of(config, dataset, input);
  return input;
}

/// Checks each combination once: many methods ask the same model about the same dataset.
void JobPreparer::check_steering_of(const RunConfig& config, const Dataset& dataset) {
  check_steering(dataset, config.steering);
  std::string asked;
  for (const char* key : {"model", "system", "dataset", "holdout_wordings", "steering"})
    asked += config.value(key) + "\n";
  if (!steered_.insert(std::move(asked)).second) return;
  check_steering_tokens(config, dataset, *model_of(config.data.model).files);
}

JobPreparer::Texts JobPreparer::read_texts(const RunConfig& config) {
  Texts texts;
  texts.dataset = parse_dataset(find_dataset(config.data.dataset));
  check_steering_of(config, texts.dataset);
  check_answer_forms(texts.dataset);
  texts.input = common_input(config, texts.dataset);
  if (trains(config)) texts.framer = framer_of(texts.dataset, config.data);
  return texts;
}

JobPreparer::Texts& JobPreparer::texts_of(const RunConfig& config) {
  std::string key = texts_key(config);
  if (const auto known = texts_.find(key); known != texts_.end()) return known->second;
  return texts_.emplace(std::move(key), read_texts(config)).first->second;
}

std::shared_ptr<const PreparedData> JobPreparer::data_of(const RunConfig& config, Texts& texts) {
  std::shared_ptr<const PreparedData>& known = texts.of_target[config.value("target")];
  if (known) return known;
  PreparedData data{texts.dataset, texts.input, {}};
  apply_target(data.dataset, config.data.target);
  data.input.training_digest = data.dataset.training_digest();
  for (auto& [test_set, digests] : data.input.test_sets)
    digests.with_targets = data.dataset.test_digest(test_set);
  data.input.dataset_name = data.dataset.name + target_suffix(config.data.target);
  const Asking asking = description_of(config.method).asking;
  data.tables = make_tables(data.dataset, config.data, config.measure.test_sets, asking);
  known = std::make_shared<const PreparedData>(std::move(data));
  return known;
}

/// The wordings are checked once to fit the model: target shares do not change them.
const AddedWordings& JobPreparer::added_to(const RunConfig& config, const PreparedData& data, Texts& texts) {
  if (!texts.check) {
    LengthCheck check(config, data.dataset, *model_of(config.data.model).files);
    check.check();
    texts.check.emplace(std::move(check));
  }
  const auto known = texts.of_seed.find(config.data.seed);
  if (known != texts.of_seed.end()) return known->second;
  std::vector<std::string> added;
  if (texts.framer) added = texts.framer->added(config.data.seed);
  texts.check->check_added(added);
  const size_t own = wordings_of(data.dataset, "train", config.data.holdout_wordings).size();
  const size_t shortened = texts.framer ? texts.framer->shortened() : 0;
  return texts.of_seed[config.data.seed] = summary_of(added, own, shortened);
}

PreparedJob JobPreparer::prepare(const JobCell& cell, size_t place) {
  const RunConfig& config = cell.config;
  check_resolved(config, environment_.ranks);
  Texts& texts = texts_of(config);
  PreparedJob job;
  job.data = data_of(config, texts);
  const AddedWordings& added = added_to(config, *job.data, texts);
  job.notice = added.notice;
  PlanInput input = job.data->input;
  input.frames_digest = added.digest;
  job.plan = make_plan(config, input, environment_.name);
  job.plan.cell.about = about_of(cell, place);
  if (!cell.name.empty()) job.plan.cell.name = cell_name(cell.name);
  return job;
}

}  // namespace apportion
