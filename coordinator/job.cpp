// A run from lock to report; see job.h.
#include "coordinator/job.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <map>

#include "coordinator/coordinator.h"
#include "coordinator/judge/judging.h"
#include "coordinator/plan.h"
#include "coordinator/recorder.h"
#include "coordinator/report/report.h"
#include "coordinator/status.h"
#include "shared/base/digest.h"
#include "shared/base/directory_lock.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/base/standard_output.h"
#include "shared/config/method.h"
#include "shared/data/catalogue.h"
#include "shared/data/dataset.h"
#include "shared/data/example.h"
#include "shared/data/keep.h"
#include "shared/data/story_prompts.h"
#include "shared/data/target.h"
#include "shared/link/interrupt.h"
#include "shared/measure/category.h"
#include "shared/measure/lexical_judge.h"
#include "shared/measure/story.h"
#include "shared/model/prompt_lengths.h"
#include "shared/model/shape_text.h"
#include "shared/store/index.h"

namespace apportion {

namespace {

/// What training adds to the dataset's own wordings, and how that is told.
struct Added {
  std::string digest, notice;  // empty: nothing
};

Added added_to(const Dataset& dataset, const RunConfig& config) {
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

Plan plan_job(const RunConfig& config, const JobEnvironment& environment, const Dataset& dataset,
              const std::string& frames_digest) {
  PlanInput input;
  input.model_digest = model_digest(config.data.model);
  input.questions_digest = dataset.questions_digest();
  input.dataset_digest = dataset.digest();
  input.dataset_name = dataset.name + target_suffix(config.data.target);
  input.train_compute_type = environment.train_compute_type;
  input.measure_compute_type = environment.measure_compute_type;
  input.frames_digest = frames_digest;
  if (config.keep.weight > 0)
    input.replay_digest = digest_of(keep_prompts(config.keep.train, KeepUse::train, dataset, config.data));
  const bool trains = !stages_of(config.method, config.steering).empty();
  if (trains && config.story.answers == Answers::self) input.stories_digest = stories_digest(config, dataset);
  if (config.keep.measure) input.keep_digest = keep_digest(config, dataset);
  input.judges = judges_of(config, dataset, input);
  return make_plan(config, input, environment.name);
}

/// The shares to follow in each test set, for the cell.
std::map<std::string, std::vector<std::vector<double>>> targets_of(
    const std::map<std::string, MeasureTables>& tables, const std::vector<std::string>& test_sets) {
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

CellAbout about_of(const RunConfig& config, const JobEnvironment& environment,
                   const std::map<std::string, MeasureTables>& tables) {
  return {config.data.dataset, description_of(config.method).name,
          config.data.model,   print_target(config.data.target),
          environment.swept,   targets_of(tables, config.measure.test_sets),
          environment.place};
}

/// Tasks whose artefacts verify are done; a damaged one is redone with a warning.
std::vector<TaskState> existing_states(const OutputConfig& output, const std::set<std::string>& done_here,
                                       const std::vector<Task>& tasks, Status& status) {
  std::vector<TaskState> states(tasks.size(), TaskState::waiting);
  for (size_t task = 0; task < tasks.size(); ++task) {
    if (output.force && !done_here.contains(tasks[task].id)) continue;
    std::string why;
    ArtefactState state = verify_artefact(output.directory, tasks[task], why);
    if (state == ArtefactState::verified) {
      states[task] = TaskState::done;
      // A run may have ended between a result and this.
      remove_directory(checkpoint_directory(output.directory, tasks[task].id));
    }
    if (state == ArtefactState::damaged) status.warn(tasks[task].label + " is done again: " + why);
  }
  return states;
}

void run_judges(const std::vector<Task>& tasks, const std::vector<TaskState>& states, const RunConfig& config,
                const Dataset& dataset, const Recorder& recorder, Status& status) {
  for (size_t task = 0; task < tasks.size(); ++task) {
    if (states[task] == TaskState::done) continue;
    run_judge_task(tasks[task], config, dataset, recorder, status, [] { stop_for(interrupt_signal()); });
  }
}

std::string synthetic_notice(const std::string& model) {
  const ModelShape shape = parse_shape(model);
  return fmt::format("{}: {} parameters with synthetic weights; tokens are {}'s, modulo the vocabulary of {}",
                     model, shape.parameters(), tokenizer_of_shapes, shape.vocabulary);
}

/// A job before it runs: what it works with, and its tasks.
struct PreparedJob {
  Dataset dataset;
  Added added;
  Plan plan;
  std::map<std::string, MeasureTables> tables;
};

PreparedJob prepare(const RunConfig& config, const JobEnvironment& environment) {
  ensure(config.ranks.shard_size > 0, "shard_size is resolved before a job is run");
  ensure(config.sft.steps > 0 && config.sft.learning_rate > 0 && config.calibrate.learning_rate > 0,
         "the recipe is resolved before a job is run");
  if (environment.ranks % config.ranks.shard_size != 0) {
    throw UserError(
        fmt::format("shard_size is {}, but the number of ranks (mpirun -n) is {}; a multiple of "
                    "shard_size is right",
                    config.ranks.shard_size, environment.ranks));
  }
  PreparedJob job;
  job.dataset = load_dataset(config.data);
  check_steering(job.dataset, config.steering);
  check_answer_forms(job.dataset);
  check_prompt_lengths(config, job.dataset);
  job.added = added_to(job.dataset, config);
  job.plan = plan_job(config, environment, job.dataset, job.added.digest);
  const Asking asking = description_of(config.method).asking;
  job.tables = make_tables(job.dataset, config.data, config.measure.test_sets, asking);
  job.plan.cell.about = about_of(config, environment, job.tables);
  if (!environment.cell.empty()) job.plan.cell.name = cell_name(environment.cell);
  return job;
}

}  // namespace

void check_job(const RunConfig& config, const JobEnvironment& environment) { prepare(config, environment); }

void run_job(Link& link, const RunConfig& config, const JobEnvironment& environment) {
  const OutputConfig& output = config.output;
  auto [dataset, added, plan, tables] = prepare(config, environment);
  make_directories(output.directory);
  DirectoryLock lock(output.directory);
  const Recorder recorder(config, std::move(tables), environment.ranks);
  std::set<std::string> own;
  std::set<std::string>& done_here = environment.done ? *environment.done : own;
  {
    Status status(output);
    if (is_shape_text(config.data.model)) status.line(synthetic_notice(config.data.model));
    if (!added.notice.empty()) status.line(added.notice);
    CoordinatorOptions options;
    options.ranks = environment.ranks;
    options.groups = {config.ranks.group_size, config.batch.micro_batches, config.ranks.shard_size};
    options.rounds = config.measure.rounds;
    options.silence_limit_s = environment.silence_limit_s;
    options.interrupted = interrupt_signal;
    const auto without_ranks = std::stable_partition(plan.tasks.begin(), plan.tasks.end(), needs_ranks);
    const std::vector<Task> of_ranks(plan.tasks.begin(), without_ranks),
        of_judges(without_ranks, plan.tasks.end());
    Coordinator(link, recorder, status, of_ranks, existing_states(output, done_here, of_ranks, status),
                options)
        .run();
    run_judges(of_judges, existing_states(output, done_here, of_judges, status), config, dataset, recorder,
               status);
  }
  for (const Task& task : plan.tasks) done_here.insert(task.id);
  write_index(output.directory, {plan.cell});
  if (environment.reports) print_output(render_report(output.directory, output).text);
  for (int rank = 0; rank < environment.ranks; ++rank) link.send(rank, Stop{});
}

}  // namespace apportion
