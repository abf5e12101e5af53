#include "tests/support/sample_results.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <utility>

#include "shared/base/counter_rng.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/config/method.h"
#include "shared/measure/category.h"

namespace apportion {
namespace {

const std::vector<std::pair<std::string, double>> occupations = {
    {"accountants and auditors", 0.409},
    {"chief executives", 0.670},
    {"civil engineers", 0.829},
    {"computer programmers", 0.790},
    {"dental hygienists", 0.049},
    {"electricians", 0.971},
    {"human resources managers", 0.222},
    {"lawyers", 0.589},
    {"librarians", 0.178},
    {"medical and health services managers", 0.289},
    {"physicians", 0.561},
    {"registered nurses", 0.124},
    {"social workers", 0.175},
    {"truck drivers", 0.921}};

SampleSet sample_set(const std::string& dataset, const std::string& test_set) {
  SampleSet set;
  set.dataset = dataset;
  set.test_set = test_set;
  for (const auto& occupation : occupations) set.subjects.push_back(occupation.first);
  return set;
}

// Shares of one prompt: the target, pushed towards category 0 and scattered, scaled to what is explored and
// not lost.
std::vector<double> shares_of(const std::vector<double>& target, const SampleModel& model, CounterRng& rng) {
  std::vector<double> shares;
  double sum = 0;
  for (size_t j = 0; j < target.size(); ++j) {
    double share = (1 - model.bias) * target[j] + (j == 0 ? model.bias : 0) + model.scatter * rng.normal();
    shares.push_back(std::clamp(share, 1e-4, 1.0));
    sum += shares.back();
  }
  for (double& share : shares) share *= (1 - model.lost) / sum;
  return shares;
}

void draw_rounds(PromptResult& prompt, const std::vector<double>& shares,
                 const std::vector<std::string>& categories, uint64_t rounds, CounterRng& rng) {
  const size_t k = categories.size();
  prompt.counts.assign(k + 2, 0);
  for (uint64_t round = 0; round < rounds; ++round) {
    double u = rng.uniform();
    size_t j = 0;
    while (j < k && u >= shares[j]) u -= shares[j++];
    ++prompt.counts[j == k && rng.below(4) == 0 ? k + 1 : j];
  }
  for (size_t j = 0; j < k + 2; ++j) {
    if (prompt.counts[j] == 0) continue;
    bool parsed = j < k;
    std::string text = parsed   ? std::to_string(j) + " " + categories[j]
                       : j == k ? "I can\xE2\x80\x99t say."
                                : "I am a \xE2\x98\x83";
    double share = parsed ? shares[j] : 0.01;
    prompt.answers.push_back({parsed ? static_cast<int32_t>(j) : -1, prompt.counts[j], std::log(share),
                              j == k + 1 ? Finish::cut : Finish::end, text});
  }
}

// When stories are asked for, no answer is left out as cut; some are not stories.
void make_stories(PromptResult& prompt) {
  prompt.no_story = std::exchange(prompt.counts.back(), 0);
  for (AnswerCount& answer : prompt.answers) {
    if (answer.finish == Finish::end) continue;
    answer.finish = Finish::end;
    answer.category = no_story;
  }
}

double steps_done(size_t step, size_t steps) {
  return static_cast<double>(step) / static_cast<double>(steps);
}

}  // namespace

SampleSet sample_gender_set(const std::string& test_set) {
  SampleSet set = sample_set("gender-us-real", test_set);
  set.categories = {"Male", "Female"};
  for (const auto& occupation : occupations) set.target.push_back({occupation.second, 1 - occupation.second});
  return set;
}

SampleSet sample_race_set(const std::string& test_set) {
  SampleSet set = sample_set("race-us-even", test_set);
  set.categories = {"White", "Black or African American", "American Indian or Alaska Native", "Asian",
                    "Native Hawaiian or Other Pacific Islander"};
  set.target.assign(occupations.size(), std::vector<double>(5, 0.2));
  return set;
}

Task sample_task(const std::string& kind, const std::string& label, const std::string& dataset,
                 const std::vector<std::string>& inputs, const std::string& test_set) {
  Task task;
  task.kind = task_kind(kind);
  task.label = label;
  task.inputs = inputs;
  task.test_set = test_set;
  nlohmann::json identity = {
      {"kind", kind}, {"dataset", dataset}, {"inputs", inputs}, {"test_set", test_set}, {"lr", 0.001}};
  if (test_set == "v3") identity["reading"] = reading_stories;
  task.identity = identity;
  task.id = task_id(task.identity);
  return task;
}

namespace {

TaskRecord sample_record(const Task& task, const std::string& dataset) {
  return {task,
          {{"dataset", dataset}, {"model", "smollm2"}, {"method", "full"}, {"seed", "0"}, {"rounds", "100"}},
          {{"version", "0.1.0"}, {"host", "node-1"}, {"seconds", "12.5"}}};
}

}  // namespace

MeasureFile sample_measure(const SampleSet& set, const SampleModel& model,
                           const std::vector<std::string>& inputs) {
  std::string when = inputs.empty() ? "before, " : "after, ";
  MeasureFile file;
  file.record = sample_record(sample_task("measure", when + set.test_set, set.dataset, inputs, set.test_set),
                              set.dataset);
  file.tables = {set.subjects, set.categories, {}, set.target};
  file.result = {
      static_cast<int>(set.subjects.size()), set.wordings, static_cast<int>(set.categories.size()), {}};
  CounterRng rng(7, set.dataset + set.test_set + when);
  std::vector<uint64_t> rounds = rounds_per_wording(set.rounds, set.wordings);
  for (size_t s = 0; s < set.subjects.size(); ++s) {
    for (int p = 0; p < set.wordings; ++p) {
      file.tables.prompts.push_back("Question " + std::to_string(p) + ": who works with " + set.subjects[s] +
                                    "?");
      PromptResult prompt;
      prompt.subject = static_cast<int32_t>(s);
      prompt.wording = p;
      std::vector<double> shares = shares_of(set.target[s], model, rng);
      draw_rounds(prompt, shares, set.categories, rounds[static_cast<size_t>(p)], rng);
      if (set.test_set == "v3") make_stories(prompt);
      prompt.unexplored = 1 - model.explored;
      for (double share : shares) {
        prompt.low.push_back(share * model.explored);
        prompt.steering.push_back(share / (1 - model.lost) * model.coverage);
      }
      file.result.prompts.push_back(prompt);
    }
  }
  return file;
}

MeasureFile small_measure(const std::string& test_set) {
  SampleSet set = sample_gender_set(test_set);
  set.subjects.resize(2);
  set.target.resize(2);
  set.wordings = 1;
  set.rounds = 5;
  return sample_measure(set, {}, {});
}

MeasureFile sample_judged(const MeasureFile& measured, const std::string& judge) {
  MeasureFile file = measured;
  Task& task = file.record.task;
  task.kind = TaskKind::judge;
  task.inputs = {measured.record.task.id};
  task.identity = nlohmann::json{{"kind", name_of(task.kind)},
                                 {"inputs", task.inputs},
                                 {"judge", {{"name", judge}}},
                                 {"reading", reading_stories}};
  task.id = task_id(task.identity);
  task.label += ", " + judge;
  if (judge == lexical_judge) return file;
  for (PromptResult& prompt : file.result.prompts) {
    AnswerCount& answer = prompt.answers.front();
    if (answer.category < 0) continue;
    prompt.counts[static_cast<size_t>(answer.category)] -= answer.count;
    const bool fails = prompt.subject % 2 == 0;
    answer.category = fails ? judge_failed : 1 - answer.category;
    (fails ? prompt.judge_failed : prompt.counts[static_cast<size_t>(answer.category)]) += answer.count;
  }
  return file;
}

TrainFile sample_training(const std::string& kind, const std::string& dataset,
                          const std::vector<std::string>& inputs) {
  TrainFile file;
  file.record =
      sample_record(sample_task(kind, kind == "sft" ? "stage 1" : "stage 2", dataset, inputs, ""), dataset);
  const size_t steps = 30;
  for (size_t step = 1; step <= steps; ++step) {
    double decay = std::exp(-4 * steps_done(step, steps));
    bool second = kind == "calibrate";
    file.log.step.push_back(static_cast<double>(step));
    file.log.loss.push_back(0.7 + decay);
    file.log.kl.push_back(0.01 + decay);
    file.log.retain.push_back(0.1 * decay);
    file.log.kto.push_back(second ? 0.5 : std::numeric_limits<double>::quiet_NaN());
    file.log.z.push_back(second ? 0.02 : std::numeric_limits<double>::quiet_NaN());
    file.log.z_unclamped.push_back(second ? -0.03 : std::numeric_limits<double>::quiet_NaN());
    file.log.coverage.push_back(1 - 0.5 * decay);
    file.log.grad_norm.push_back(0.9);
    file.log.lr.push_back(0.001);
    file.log.tokens.push_back(765);
    file.log.seconds.push_back(1.5);
  }
  file.adapter_digest = sha256("adapter of " + file.record.task.id);
  return file;
}

Cell write_sample_cell(const std::string& directory, const std::string& dataset) {
  bool race = dataset == "race-us-even";
  auto set = [&](const std::string& name) { return race ? sample_race_set(name) : sample_gender_set(name); };
  Cell cell{"smoke", dataset + "-full", {}, {}};
  std::string last;
  for (const std::string& kind : {std::string("sft"), std::string("calibrate")}) {
    TrainFile file =
        sample_training(kind, dataset, last.empty() ? std::vector<std::string>{} : std::vector{last});
    last = file.record.task.id;
    make_directories(adapter_directory(directory, last));
    std::string adapter = "adapter of " + last;
    write_file(adapter_directory(directory, last) + "/adapter_model.safetensors", adapter);
    write_file(adapter_directory(directory, last) + "/adapter_config.json", "{}");
    write_train_file(result_path(directory, last), file);
    cell.training[kind] = last;
  }
  auto add = [&](const std::string& name, const MeasureFile& file) {
    write_measure_file(result_path(directory, file.record.task.id), file);
    cell.measures[name] = file.record.task.id;
  };
  add("before/v2", sample_measure(set("v2"), {0.05, 0.6, 0.3, 0.03, 0.02}, {}));
  add("after/v2", sample_measure(set("v2"), {0.02, 0, 0, 0.9999, 0.9995}, {last}));
  add("after/heldout", sample_measure(set("heldout"), {0.015, 0, 0, 0.98, 0.9997}, {last}));
  return cell;
}

std::vector<Cell> write_sample_results(const std::string& directory) {
  std::vector<Cell> cells = {write_sample_cell(directory, "gender-us-real"),
                             write_sample_cell(directory, "race-us-even")};
  write_index(directory, cells);
  return cells;
}

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "apportion-XXXXXX").string();
  ensure(::mkdtemp(pattern.data()) != nullptr, "a temporary directory can be made");
  path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

}  // namespace apportion
