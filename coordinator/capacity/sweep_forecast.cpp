#include "coordinator/capacity/sweep_forecast.h"

#include <algorithm>
#include <map>
#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "coordinator/capacity/prediction.h"
#include "coordinator/prepared_job.h"
#include "shared/base/file_system.h"
#include "shared/model/cost.h"
#include "shared/model/step_time.h"
#include "shared/model_files/model_files.h"
#include "shared/store/index.h"
#include "shared/store/journal.h"

namespace apportion {
namespace {

/// Seconds of a cell's tasks by the cost model, times the ranks of a member.
class TaskCost {
 public:
  TaskCost(const RunConfig& config, const JobSize& size, const TestSetTables& tables, const ModelShape& shape,
           const CalibratedMachine& machine, int ranks)
      : config_(config), size_(size), tables_(tables), shape_(shape), machine_(machine), ranks_(ranks) {}

  double of_task(const Task& task) const {
    switch (task.kind) {
      case TaskKind::sft:
        return training(0, config_.sft.steps);
      case TaskKind::calibrate:
        return training(size_.stages.size() - 1, config_.calibrate.steps);
      case TaskKind::measure:
        return measuring(task);
      case TaskKind::retention:
        return retention();
      case TaskKind::judge:  // a server's time, or usually little next to the stories
      case TaskKind::scale:
        return 0;
    }
    return 0;
  }

 private:
  double training(size_t stage, int steps) const {
    RankLayout layout = computing_layout(config_, machine_.machine,
                                         config_.train_compute_type == ComputeType::float32 ? 4 : 2);
    layout.ranks = ranks_;
    layout.shard_size = size_.layout.shard_size;
    layout.tuning = config_.adapter == AdapterKind::none ? Tuning::full : Tuning::adapter;
    layout.recompute = size_.layout.recompute;
    StepLoad load = size_.stages.at(stage);
    load.micro_batches = (config_.batch.micro_batches + ranks_ - 1) / ranks_;
    return steps * step_time(shape_, config_.lora, load, layout, machine_).total() * ranks_;
  }

  double forward(double tokens, double rows) const {
    const PassSize size{static_cast<int64_t>(tokens),
                        static_cast<int64_t>(tokens * real(size_.prompt_tokens)), static_cast<int64_t>(rows)};
    const Machine& machine = machine_.machine;
    const bool narrow = config_.measure_compute_type != ComputeType::float32;
    return forward_flops(shape_, 0, size) /
           ((narrow ? machine.peak_flops : machine.float_flops) * machine_.coefficients.matrix_efficiency);
  }

  /// Counts every prompt, every token of every round, and every node that exact shares may have: a model
  /// whose answers are alike needs only a part of this.
  double measuring(const Task& task) const {
    const MeasureTables& tables = tables_.at(task.test_set);
    const MeasureConfig& measure = config_.measure;
    const double prompts = real(static_cast<int64_t>(tables.prompts.size()));
    const double answers =
        real(static_cast<int64_t>(tables.subjects.size())) * static_cast<double>(measure.rounds);
    const double tokens = task.test_set == "v3" ? measure.story_tokens : measure.max_answer_tokens;
    const double nodes = answers * tokens + prompts * measure.exact_nodes;
    return forward(prompts * real(size_.prompt_tokens) + nodes, nodes + prompts);
  }

  /// Answers to some hundred prompts, a text of 2,000 words and easy questions, with and without what was
  /// trained (docs/retention.md).
  double retention() const {
    constexpr double tokens = 100'000;
    return forward(tokens, tokens);
  }

  const RunConfig& config_;
  const JobSize& size_;
  const TestSetTables& tables_;
  const ModelShape& shape_;
  const CalibratedMachine& machine_;
  const int ranks_;
};

/// How long tasks took according to the journals, times ranks.
std::unordered_map<std::string, double> measured_seconds(const std::string& directory) {
  std::unordered_map<std::string, double> seconds;
  JournalReader journals(directory);
  for (const TaskSpan& span : spans_of(journals.read_new())) {
    if (span.end == JournalEvent::done) seconds[span.task] = span.seconds * static_cast<double>(span.ranks);
  }
  return seconds;
}

class SweepForecaster {
 public:
  SweepForecaster(const std::vector<JobCell>& cells, const JobEnvironment& environment,
                  const std::function<const JobSize&(size_t)>& size_of)
      : cells_(cells), environment_(environment), size_of_(size_of) {
    forecast_.job = environment.name;
    forecast_.directory = cells.front().config.output.directory;
    forecast_.cells = cells.size();
    forecast_.ranks = environment.ranks;
    forecast_.machine = planned_machine(cells.front().config.capacity);
  }

  SweepForecast run() {
    prepare();
    const std::vector<std::string> finished = finished_tasks(forecast_.directory);
    const std::unordered_set<std::string> there(finished.begin(), finished.end());
    const auto measured = measured_seconds(forecast_.directory);
    std::vector<double> modelled(shared_.tasks.size());
    std::vector<char> done(shared_.tasks.size());
    for (size_t task = 0; task < shared_.tasks.size(); ++task) {
      modelled[task] = modelled_seconds(*shared_.tasks[task]);
      done[task] = there.contains(shared_.tasks[task]->id) ? 1 : 0;
      count(*shared_.tasks[task], modelled[task], done[task] != 0, measured);
    }
    foretell(modelled, done);
    return std::move(forecast_);
  }

 private:
  void prepare() {
    JobPreparer preparer(environment_);
    for (size_t cell = 0; cell < cells_.size(); ++cell) {
      PreparedJob job;
      in_cell(cells_[cell], [&] { job = preparer.prepare(cells_[cell], cell); });
      forecast_.unshared += job.plan.tasks.size();
      shared_.add(std::move(job.plan.tasks), cell);
      data_.push_back(job.data);
      const LayoutChoice& layout = size_of_(cell).layout;
      forecast_.fits = forecast_.fits && layout.fits;
      if (layout.needed_bytes <= forecast_.needed_bytes) continue;
      forecast_.needed_bytes = layout.needed_bytes;
      forecast_.neediest = cells_[cell].name;
    }
  }

  const ModelShape& shape_of(const std::string& model) {
    const auto known = shapes_.find(model);
    return known != shapes_.end() ? known->second : shapes_[model] = shape_of_model(model);
  }

  double modelled_seconds(const Task& task) {
    const size_t cell = shared_.cells_of.at(task.id).front();
    const RunConfig& config = cells_[cell].config;
    return TaskCost(config, size_of_(cell), data_[cell]->tables, shape_of(config.data.model),
                    forecast_.machine, forecast_.ranks)
        .of_task(task);
  }

  TaskSort& sort_of(const std::string& label) {
    const auto [place, is_new] = place_of_.try_emplace(label, forecast_.sorts.size());
    if (is_new) forecast_.sorts.push_back({label});
    return forecast_.sorts[place->second];
  }

  void count(const Task& task, double modelled, bool done,
             const std::unordered_map<std::string, double>& measured) {
    TaskSort& sort = sort_of(task.label);
    ++sort.tasks;
    if (!done) return;
    ++sort.done;
    const auto seconds = measured.find(task.id);
    if (seconds == measured.end()) return;
    ++sort.measured;
    sort.measured_s += seconds->second;
    sort.modelled_s += modelled;
  }

  /// Relies on tasks coming after their inputs.
  void foretell(const std::vector<double>& modelled, const std::vector<char>& done) {
    std::unordered_map<std::string, double> ends;  // when each chain ends, by its last task
    std::vector<char> unfinished(cells_.size(), 0);
    for (size_t number = 0; number < shared_.tasks.size(); ++number) {
      const Task& task = *shared_.tasks[number];
      ++forecast_.tasks;
      if (done[number] != 0) {
        ++forecast_.done;
        continue;
      }
      for (size_t cell : shared_.cells_of.at(task.id)) unfinished[cell] = 1;
      TaskSort& sort = sort_of(task.label);
      const double seconds = modelled[number] * sort.scale();
      sort.left_s += seconds;
      forecast_.left_s += seconds;
      double& end = ends[task.id];
      for (const std::string& input : task.inputs) {
        if (const auto before = ends.find(input); before != ends.end()) end = std::max(end, before->second);
      }
      end += seconds / forecast_.ranks;
      forecast_.longest_s = std::max(forecast_.longest_s, end);
    }
    forecast_.finished_cells = static_cast<size_t>(std::count(unfinished.begin(), unfinished.end(), char{0}));
  }

  const std::vector<JobCell>& cells_;
  const JobEnvironment& environment_;
  const std::function<const JobSize&(size_t)>& size_of_;
  std::vector<std::shared_ptr<const PreparedData>> data_;  // one per cell
  SharedTasks shared_;
  std::map<std::string, ModelShape> shapes_;
  std::unordered_map<std::string, size_t> place_of_;  // in `sorts`, by label
  SweepForecast forecast_;
};

}  // namespace

SweepForecast forecast_sweep(const std::vector<JobCell>& cells, const JobEnvironment& environment,
                             const std::function<const JobSize&(size_t)>& size_of) {
  return SweepForecaster(cells, environment, size_of).run();
}

}  // namespace apportion
