// The choice of the next tasks; see scheduler.h.
#include "coordinator/scheduler.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <tuple>
#include <unordered_map>

#include "shared/base/error.h"

namespace apportion {

namespace {

/// A task that others wait for is worth more ranks than one that ends a chain.
double weight_of(const Task& task) { return description_of(task.kind).scheduled_first; }

/// How long a task is, in steps of training: what else there is takes about as long as ten of them.
double length_of(const Task& task) {
  constexpr double others = 10;
  if (!description_of(task.kind).trains || !task.identity.contains("options")) return others;
  const nlohmann::json& options = task.identity.at("options");
  const auto steps = options.find(task.kind == TaskKind::sft ? "sft_steps" : "calibrate_steps");
  return steps == options.end() ? others : std::atof(steps->get<std::string>().c_str());
}

std::string model_of(const Task& task) {
  return task.identity.is_object() ? task.identity.value("model", std::string()) : std::string();
}

std::vector<int> fixed_sizes(size_t tasks, int idle, int group_size, int shard_size) {
  std::vector<int> sizes(tasks, 0);
  for (int& size : sizes) {
    size = std::min(group_size, idle) / shard_size * shard_size;
    idle -= size;
  }
  return sizes;
}

/// From each task's start to the end of all that waits for it.
std::vector<double> chains_of(const std::vector<Task>& tasks,
                              const std::vector<std::vector<size_t>>& dependents) {
  std::vector<double> chains(tasks.size());
  for (size_t task = tasks.size(); task-- > 0;) {
    for (size_t dependent : dependents[task]) chains[task] = std::max(chains[task], chains[dependent]);
    chains[task] += length_of(tasks[task]);
  }
  return chains;
}

/// The place of each task in the order.
std::vector<size_t> places_of(const std::vector<double>& chains, TaskOrder order,
                              const std::vector<size_t>& cells) {
  const auto cell_of = [&](size_t task) { return cells.empty() ? 0 : cells[task]; };
  std::unordered_map<size_t, double> longest;  // of a cell
  for (size_t task = 0; task < chains.size(); ++task) {
    double& length = longest[cell_of(task)];
    length = std::max(length, chains[task]);
  }
  std::vector<size_t> places(chains.size()), sorted(chains.size());
  std::iota(sorted.begin(), sorted.end(), size_t{0});
  std::stable_sort(sorted.begin(), sorted.end(), [&](size_t a, size_t b) {
    const double chain_a = order == TaskOrder::longest_first ? -chains[a] : 0,
                 chain_b = order == TaskOrder::longest_first ? -chains[b] : 0;
    return std::tuple(-longest.at(cell_of(a)), cell_of(a), chain_a) <
           std::tuple(-longest.at(cell_of(b)), cell_of(b), chain_b);
  });
  for (size_t place = 0; place < sorted.size(); ++place) places[sorted[place]] = place;
  return places;
}

}  // namespace

std::vector<int> group_sizes(const std::vector<double>& weights, int idle, const GroupOptions& options) {
  const int unit = options.shard_size;
  if (options.group_size > 0) return fixed_sizes(weights.size(), idle, options.group_size, unit);
  std::vector<int> sizes(weights.size(), 0);
  for (; idle >= unit; idle -= unit) {
    // The next ranks go where a rank's part of the work is largest; a task without ranks comes first.
    size_t chosen = weights.size();
    double largest = 0;
    for (size_t task = 0; task < weights.size(); ++task) {
      if (sizes[task] > 0 && sizes[task] + unit > options.micro_batches) continue;
      if (sizes[task] == 0) {
        chosen = task;
        break;
      }
      double part = weights[task] / sizes[task];
      if (part > largest) {
        chosen = task;
        largest = part;
      }
    }
    if (chosen == weights.size()) break;
    sizes[chosen] += unit;
  }
  return sizes;
}

TaskPool::TaskPool(std::vector<Task> tasks, const std::vector<TaskState>& states, TaskOrder order,
                   const std::vector<size_t>& cells)
    : tasks_(std::move(tasks)), states_(states), dependents_(tasks_.size()), missing_(tasks_.size(), 0) {
  ensure(tasks_.size() == states_.size(), "every task has a state");
  std::unordered_map<std::string, size_t> number;
  for (size_t task = 0; task < tasks_.size(); ++task) number[tasks_[task].id] = task;
  for (size_t task = 0; task < tasks_.size(); ++task) {
    for (const std::string& id : tasks_[task].inputs) {
      const auto input = number.find(id);
      ensure(input != number.end(), "a task's inputs are tasks of the plan");
      ensure(input->second < task, "a task comes after its inputs");
      dependents_[input->second].push_back(task);
      if (states_[input->second] != TaskState::done) ++missing_[task];
    }
  }
  place_ = places_of(chains_of(tasks_, dependents_), order, cells);
  for (size_t task = 0; task < tasks_.size(); ++task) count(task, 1);
}

void TaskPool::add_ready(size_t task) { ready_[model_of(tasks_[task])].emplace(place_[task], task); }

/// Enters the task where its state belongs, or takes it away.
void TaskPool::count(size_t task, int change) {
  if (states_[task] == TaskState::running) running_ += change;
  if (states_[task] == TaskState::elsewhere && change > 0) elsewhere_.insert(task);
  if (states_[task] == TaskState::elsewhere && change < 0) elsewhere_.erase(task);
  if (states_[task] != TaskState::waiting || missing_[task] > 0) return;
  if (change > 0) return add_ready(task);
  const auto of_model = ready_.find(model_of(tasks_[task]));
  of_model->second.erase({place_[task], task});
  if (of_model->second.empty()) ready_.erase(of_model);
}

void TaskPool::set(size_t task, TaskState state) {
  if (states_[task] == state) return;
  ensure(states_[task] != TaskState::done, "a task that is done stays so");
  count(task, -1);
  states_[task] = state;
  count(task, 1);
  for (size_t dependent : dependents_[task]) {
    if (state == TaskState::failed) set(dependent, TaskState::failed);
    if (state != TaskState::done) continue;
    --missing_[dependent];
    if (missing_[dependent] == 0 && states_[dependent] == TaskState::waiting) add_ready(dependent);
  }
}

std::vector<size_t> TaskPool::ready(size_t most, const std::string& model) const {
  std::vector<size_t> tasks;
  const auto loaded = ready_.find(model);
  if (loaded != ready_.end()) {
    for (auto entry = loaded->second.begin(); entry != loaded->second.end() && tasks.size() < most; ++entry)
      tasks.push_back(entry->second);
  }
  std::vector<std::pair<size_t, size_t>> others;  // the first of each model, merged
  for (const auto& [name, entries] : ready_) {
    if (name == model) continue;
    size_t taken = 0;
    for (auto entry = entries.begin(); entry != entries.end() && taken < most; ++entry, ++taken)
      others.push_back(*entry);
  }
  std::sort(others.begin(), others.end());
  for (size_t next = 0; next < others.size() && tasks.size() < most; ++next)
    tasks.push_back(others[next].second);
  return tasks;
}

std::vector<Assignment> next_assignments(const TaskPool& pool, const std::vector<size_t>& ready,
                                         const std::vector<int>& idle_ranks, const GroupOptions& options) {
  std::vector<double> weights;
  for (size_t task : ready) weights.push_back(weight_of(pool.tasks()[task]));
  const std::vector<int> sizes = group_sizes(weights, static_cast<int>(idle_ranks.size()), options);
  std::vector<Assignment> assignments;
  auto next = idle_ranks.begin();
  for (size_t place = 0; place < ready.size(); ++place) {
    if (sizes[place] == 0) continue;
    assignments.push_back({ready[place], {next, next + sizes[place]}});
    next += sizes[place];
  }
  return assignments;
}

}  // namespace apportion
