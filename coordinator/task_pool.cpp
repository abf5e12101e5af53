// The order of a run's tasks and what is ready; see task_pool.h.
#include "coordinator/task_pool.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "shared/base/error.h"

namespace apportion {

namespace {

/// A task's length in training steps: any other task takes about as long as ten of them.
double length_of(const Task& task) {
  constexpr double others = 10;
  if (!description_of(task.kind).trains || !task.identity.contains("options")) return others;
  const nlohmann::json options = task.identity.at("options");
  const auto steps = options.find(task.kind == TaskKind::sft ? "sft_steps" : "calibrate_steps");
  return steps == options.end() ? others : std::atof(steps->get<std::string>().c_str());
}

std::string model_of(const Task& task) { return task.identity.value("model", ""); }

/// For each task, the length from its start to the end of everything that waits for it.
std::vector<double> chains_of(const TaskList& tasks, const std::vector<std::vector<uint32_t>>& dependents) {
  std::vector<double> chains(tasks.size());
  for (size_t task = tasks.size(); task-- > 0;) {
    for (size_t dependent : dependents[task]) chains[task] = std::max(chains[task], chains[dependent]);
    chains[task] += length_of(*tasks[task]);
  }
  return chains;
}

/// The tasks in the order in which they start.
std::vector<uint32_t> sorted(const std::vector<double>& chains, TaskOrder order,
                             const std::vector<size_t>& cells) {
  const auto cell_of = [&](size_t task) { return cells.empty() ? 0 : cells[task]; };
  std::unordered_map<size_t, double> longest;  // of a cell
  for (size_t task = 0; task < chains.size(); ++task) {
    double& length = longest[cell_of(task)];
    length = std::max(length, chains[task]);
  }
  std::vector<uint32_t> tasks(chains.size());
  std::iota(tasks.begin(), tasks.end(), 0U);
  std::stable_sort(tasks.begin(), tasks.end(), [&](size_t a, size_t b) {
    const double chain_a = order == TaskOrder::longest_first ? -chains[a] : 0,
                 chain_b = order == TaskOrder::longest_first ? -chains[b] : 0;
    return std::tuple(-longest.at(cell_of(a)), cell_of(a), chain_a) <
           std::tuple(-longest.at(cell_of(b)), cell_of(b), chain_b);
  });
  return tasks;
}

}  // namespace

void NumberSet::insert(size_t number) {
  const size_t at = number / bits;
  const uint64_t bit = uint64_t{1} << number % bits;
  count_ += (words_[at] & bit) == 0 ? 1 : 0;
  words_[at] |= bit;
  first_ = std::min(first_, at);
}

void NumberSet::erase(size_t number) {
  const size_t at = number / bits;
  const uint64_t bit = uint64_t{1} << number % bits;
  count_ -= (words_[at] & bit) != 0 ? 1 : 0;
  words_[at] &= ~bit;
  while (first_ < words_.size() && words_[first_] == 0) ++first_;
}

std::vector<size_t> NumberSet::numbers() const {
  std::vector<size_t> all;
  if (count_ == 0) return all;
  each([&](size_t number) {
    all.push_back(number);
    return all.size() < count_;
  });
  return all;
}

TaskGraph::TaskGraph(TaskList tasks, TaskOrder order, const std::vector<size_t>& cells)
    : tasks_(std::move(tasks)),
      inputs_(tasks_.size()),
      dependents_(tasks_.size()),
      place_(tasks_.size()),
      model_(tasks_.size()) {
  std::unordered_map<std::string_view, uint32_t> number;
  for (uint32_t task = 0; task < tasks_.size(); ++task) number[tasks_[task]->id] = task;
  for (uint32_t task = 0; task < tasks_.size(); ++task) {
    for (const std::string& id : tasks_[task]->inputs) {
      const auto input = number.find(id);
      ensure(input != number.end(), "a task's inputs are tasks of the plan");
      ensure(input->second < task, "a task comes after its inputs");
      inputs_[task].push_back(input->second);
      dependents_[input->second].push_back(task);
    }
  }
  at_ = sorted(chains_of(tasks_, dependents_), order, cells);
  for (uint32_t place = 0; place < at_.size(); ++place) place_[at_[place]] = place;
  for (uint32_t task = 0; task < tasks_.size(); ++task)
    model_[task] = models_.try_emplace(model_of(*tasks_[task]), models_.size()).first->second;
}

size_t TaskGraph::model(const std::string& digest) const {
  const auto found = models_.find(digest);
  return found == models_.end() ? models_.size() : found->second;
}

TaskPool::TaskPool(std::shared_ptr<const TaskGraph> graph, const std::vector<TaskState>& states)
    : graph_(std::move(graph)),
      states_(states),
      ready_(graph_->models(), NumberSet(states.size())),
      elsewhere_(states.size()) {
  ensure(graph_->size() == states_.size(), "every task has a state");
  for (size_t task = 0; task < states_.size(); ++task) enter(task);
}

bool TaskPool::is_ready(size_t task) const {
  const std::vector<uint32_t>& inputs = graph_->inputs(task);
  return states_[task] == TaskState::waiting && std::all_of(inputs.begin(), inputs.end(), [&](size_t input) {
           return states_[input] == TaskState::done;
         });
}

void TaskPool::set_ready(size_t task, bool ready) {
  NumberSet& of_model = ready_[graph_->model(task)];
  const size_t place = graph_->place(task);
  if (of_model.contains(place) == ready) return;
  ready ? of_model.insert(place) : of_model.erase(place);
  ready_count_ += ready ? 1 : -1;
}

void TaskPool::enter(size_t task) {
  if (states_[task] == TaskState::running) ++running_;
  if (states_[task] == TaskState::elsewhere) elsewhere_.insert(task);
  if (is_ready(task)) set_ready(task, true);
}

void TaskPool::leave(size_t task) {
  if (states_[task] == TaskState::running) --running_;
  elsewhere_.erase(task);
  set_ready(task, false);
}

void TaskPool::set(size_t task, TaskState state) {
  if (states_[task] == state) return;
  ensure(states_[task] != TaskState::done, "a task that is done stays so");
  leave(task);
  states_[task] = state;
  enter(task);
  for (size_t dependent : graph_->dependents(task)) {
    if (state == TaskState::failed) set(dependent, TaskState::failed);
    if (state == TaskState::done && is_ready(dependent)) set_ready(dependent, true);
  }
}

std::vector<size_t> TaskPool::ready(size_t most, const std::string& model) const {
  std::vector<size_t> places, others;
  if (most == 0 || ready_count_ == 0) return places;
  const size_t loaded = graph_->model(model);
  const auto add = [&](size_t of, std::vector<size_t>& to) {
    const size_t end = to.size() + most;
    ready_[of].each([&](size_t place) {
      to.push_back(place);
      return to.size() < end;
    });
  };
  if (loaded < ready_.size()) add(loaded, places);
  for (size_t of = 0; of < ready_.size() && places.size() < most; ++of) {
    if (of != loaded) add(of, others);
  }
  std::sort(others.begin(), others.end());
  others.resize(std::min(others.size(), most - places.size()));
  places.insert(places.end(), others.begin(), others.end());
  for (size_t& place : places) place = graph_->at(place);
  return places;
}

}  // namespace apportion
