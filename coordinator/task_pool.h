// The tasks of a run: their order, which are ready, and how far each is. scheduler.h decides which ranks get
// them; open_tasks.h knows who has a task while several runs work in one folder.
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

/// elsewhere: another run works on it. failed: it, or a task it needs, was tried and is not tried again.
enum class TaskState : uint8_t { waiting, running, elsewhere, done, failed };

/// Cells with the longest chain of tasks come first, so that no long one is left over at the end, and each is
/// finished before the next begins. Within a cell: `plan` keeps the order of the tasks, in which the
/// untouched model is measured first (for a single group); `longest_first` goes by the length of what waits
/// for a task.
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
  size_t first_ = 0;  // all words before it are empty
};

/// What follows from the tasks alone and is the same for everyone who works on them.
class TaskGraph {
 public:
  /// Every task must come after its inputs, all of which must be present. `cells` gives each task's cell
  /// (empty: all belong to one). Throws InternalError for a missing input.
  TaskGraph(TaskList tasks, TaskOrder order, const std::vector<size_t>& cells = {});

  size_t size() const { return tasks_.size(); }
  const Task& task(size_t task) const { return *tasks_[task]; }
  const std::vector<uint32_t>& inputs(size_t task) const { return inputs_[task]; }
  const std::vector<uint32_t>& dependents(size_t task) const { return dependents_[task]; }
  /// A task's place in the order, and the task at a place.
  size_t place(size_t task) const { return place_[task]; }
  size_t at(size_t place) const { return at_[place]; }
  /// The tasks' models are numbered. A model is looked up by its digest: models() if no task has it.
  size_t models() const { return models_.size(); }
  size_t model(size_t task) const { return model_[task]; }
  size_t model(const std::string& digest) const;

 private:
  TaskList tasks_;
  std::vector<std::vector<uint32_t>> inputs_, dependents_;
  std::vector<uint32_t> place_, at_, model_;
  std::map<std::string, uint32_t> models_;
};

/// The tasks with their states. Finding the next ones takes time in proportion to how many are returned, plus
/// at most a look at one bit per task.
class TaskPool {
 public:
  /// `states` holds the state of each task of `graph`.
  TaskPool(std::shared_ptr<const TaskGraph> graph, const std::vector<TaskState>& states);

  const Task& task(size_t task) const { return graph_->task(task); }
  TaskState state(size_t task) const { return states_[task]; }
  void set(size_t task, TaskState state);

  /// At most `most` waiting tasks whose inputs are done: first those of `model` (a model's digest), which is
  /// already loaded; both parts in the pool's order.
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
