// The tasks of a run: in which order, which are ready, and how far each is. Which ranks get them is
// scheduler.h's business, whose a task is while several runs work in one folder open_tasks.h's.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "shared/config/task.h"

namespace apportion {

/// elsewhere: another run is at it. failed: it was tried, or what it needs was, and is not tried again.
enum class TaskState : uint8_t { waiting, running, elsewhere, done, failed };

/// Cells whose work is longest come first, so that no long one is left over at the end, and each is brought
/// to its end before the next begins. In a cell, plan: as the tasks stand, in which the untouched model is
/// measured first; for one group alone. longest_first: by the length of what waits for a task.
enum class TaskOrder { plan, longest_first };

/// A set of numbers below a size, a bit each.
class NumberSet {
 public:
  explicit NumberSet(size_t size = 0) : words_((size + bits - 1) / bits) {}
  bool contains(size_t number) const { return (words_[number / bits] >> number % bits) % 2 != 0; }
  void insert(size_t number);
  void erase(size_t number);
  bool empty() const { return count_ == 0; }
  /// Calls visit(number), ascending, until it returns false.
  template <typename Visit>
  void each(Visit visit) const {
    for (size_t at = first_; at < words_.size(); ++at) {
      for (uint64_t word = words_[at]; word != 0; word &= word - 1) {
        if (!visit(at * bits + static_cast<size_t>(std::countr_zero(word)))) return;
      }
    }
  }
  std::vector<size_t> numbers() const;

 private:
  static constexpr size_t bits = 64;
  std::vector<uint64_t> words_;
  size_t count_ = 0;
  size_t first_ = 0;  // words before are empty
};

/// What follows from the tasks alone, and is the same for all who work on them.
class TaskGraph {
 public:
  /// Every task comes after its inputs, which are all among them; `cells` says which cell each is of (empty:
  /// all of one). Throws InternalError for an input that is not there.
  TaskGraph(TaskList tasks, TaskOrder order, const std::vector<size_t>& cells = {});

  size_t size() const { return tasks_.size(); }
  const Task& task(size_t task) const { return *tasks_[task]; }
  const std::vector<uint32_t>& inputs(size_t task) const { return inputs_[task]; }
  const std::vector<uint32_t>& dependents(size_t task) const { return dependents_[task]; }
  /// In the order, and which task is there.
  size_t place(size_t task) const { return place_[task]; }
  size_t at(size_t place) const { return at_[place]; }
  /// Models of tasks are numbered. A model by its digest; models() where no task has it.
  size_t models() const { return models_.size(); }
  size_t model(size_t task) const { return model_[task]; }
  size_t model(const std::string& digest) const;

 private:
  TaskList tasks_;
  std::vector<std::vector<uint32_t>> inputs_, dependents_;
  std::vector<uint32_t> place_, at_, model_;
  std::map<std::string, uint32_t> models_;
};

/// The tasks with their states. Finding the next ones takes time in their number, and at the most a look at a
/// bit for each task.
class TaskPool {
 public:
  /// `states` goes with the tasks of `graph`.
  TaskPool(std::shared_ptr<const TaskGraph> graph, const std::vector<TaskState>& states);

  const Task& task(size_t task) const { return graph_->task(task); }
  TaskState state(size_t task) const { return states_[task]; }
  void set(size_t task, TaskState state);

  /// At most `most` waiting tasks whose inputs are done: first those of `model` (a model's digest), which is
  /// loaded already, and each in the pool's order.
  std::vector<size_t> ready(size_t most, const std::string& model) const;
  std::vector<size_t> elsewhere() const { return elsewhere_.numbers(); }
  bool has_running() const { return running_ > 0; }
  bool has_ready() const { return ready_count_ > 0; }

 private:
  bool is_ready(size_t task) const;
  void set_ready(size_t task, bool ready);
  void enter(size_t task);
  void leave(size_t task);

  std::shared_ptr<const TaskGraph> graph_;
  std::vector<TaskState> states_;
  std::vector<NumberSet> ready_;  // of each model, by place
  NumberSet elsewhere_;           // by number
  size_t ready_count_ = 0;
  int running_ = 0;
};

}  // namespace apportion
