#include "tests/support/sample_sweep.h"

#include <algorithm>

#include "shared/base/digest.h"
#include "shared/config/run_config.h"
#include "shared/store/task_file.h"
#include "tests/support/sample_results.h"

namespace apportion {
namespace {

using Values = std::vector<std::pair<std::string, std::string>>;

std::string name_of_cell(const Values& swept) {
  std::string name;
  for (const auto& [key, value] : swept) name += (name.empty() ? "" : ", ") + key + "=" + value;
  return cell_name(name);
}

std::vector<Values> combinations(const std::vector<SampleAxis>& axes) {
  std::vector<Values> all(1);
  for (const auto& [key, values] : axes) {
    std::vector<Values> longer;
    for (const Values& start : all) {
      for (const std::string& value : values) {
        longer.push_back(start);
        longer.back().emplace_back(key, value);
      }
    }
    all = std::move(longer);
  }
  return all;
}

/// Has as many prompts, passages and questions as the program's own lists.
RetentionFile retention_of(const TaskRecord& record, const std::string& trained, size_t number) {
  constexpr int unrelated = 249, near = 106, passages = 24, questions = 40;
  RetentionFile file{record, {}};
  file.record.task = sample_task("retention", "what training changed", "gender-us-real", {trained}, "");
  const double drift = 0.001 * static_cast<double>(number % 50);
  for (int i = 0; i < unrelated + near; ++i)
    file.result.prompts.push_back({i < unrelated ? "lists" : "near: people",
                                   "Question " + std::to_string(i) + " of another kind, as long as they are",
                                   20, 0.5 + drift, 0.01, 0.01 + drift});
  for (int i = 0; i < passages; ++i) file.result.texts.push_back({100, 345, 345 + 100 * drift});
  for (int i = 0; i < questions; ++i)
    file.result.questions.push_back({"Easy question " + std::to_string(i), 0.25, 0.2});
  return file;
}

/// Writes the files that all cells share: untouched model and training.
Cell write_shared(const std::string& directory, const SampleSet& set, const TaskRecord& like) {
  Cell cell{"sweep", "", {}, {}};
  MeasureFile before = sample_measure(set, {0.05, 0.6, 0.3, 0.03, 0.02}, {});
  before.record.config = like.config;
  write_measure_file(result_path(directory, before.record.task.id), before);
  cell.measures["before/v2"] = before.record.task.id;
  std::string last;
  for (const std::string& kind : {std::string("sft"), std::string("calibrate")}) {
    TrainFile file =
        sample_training(kind, set.dataset, last.empty() ? std::vector<std::string>{} : std::vector{last});
    last = file.record.task.id;
    file.record.config = like.config;
    write_train_file(result_path(directory, last), file);
    cell.training[kind] = last;
  }
  return cell;
}

}  // namespace

std::vector<Cell> write_sample_sweep(const std::string& directory, const std::vector<SampleAxis>& axes) {
  SampleSet set = sample_gender_set("v2");
  set.wordings = 6;
  TaskRecord like;
  const RunConfig config = make_run_config({});
  like.config.assign(config.resolved.begin(), config.resolved.end());
  const Cell shared = write_shared(directory, set, like);
  std::vector<Cell> cells;
  for (Values& swept : combinations(axes)) {
    const size_t number = cells.size();
    Cell cell = shared;
    cell.name = name_of_cell(swept);
    const std::string trained = sha256("trained as " + cell.name);
    const double bias = std::min(0.5, static_cast<double>(number) / 100);
    MeasureFile after = sample_measure(set, {0.01, bias, 0.01, 0.9999, 0.9995}, {trained});
    after.record.config = like.config;
    write_measure_file(result_path(directory, after.record.task.id), after);
    cell.measures["after/v2"] = after.record.task.id;
    const RetentionFile kept = retention_of(after.record, trained, number);
    write_retention_file(result_path(directory, kept.record.task.id), kept);
    cell.retention = kept.record.task.id;
    cell.about = {set.dataset, "full", "smollm2", "real", std::move(swept), {{"v2", set.target}}, number};
    cells.push_back(std::move(cell));
  }
  write_index(directory, cells);
  return cells;
}

}  // namespace apportion
