// What a run may do next while others work in the same folder: its tasks (task_pool.h) and who has them
// (folder/claims.h). scheduler.h decides on which ranks they run.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/folder/claims.h"
#include "coordinator/task_pool.h"

namespace apportion {

class OpenTasks {
 public:
  /// Calls `recorded` for each task found done and `set_aside` for each that has failed too often. `claims`
  /// must outlive this.
  OpenTasks(TaskPool pool, Claims& claims, std::function<void(const Task&)> recorded,
            std::function<void(const Task&)> set_aside);

  const TaskPool& pool() const { return pool_; }
  void set(size_t task, TaskState state) { pool_.set(task, state); }

  /// Whether there is anything to do or to wait for. With `waits` that includes all tasks of other runs,
  /// otherwise only those that an earlier start of this run still has.
  bool goes_on(bool waits) const;

  /// Claims at most `most` ready tasks, first those of the loaded model; fewer if `stops` says so meanwhile:
  /// a run that is resumed may have thousands that are done, which are verified here. Looks at the tasks of
  /// other runs first, but not at every call. `now` is in seconds.
  std::vector<size_t> claimed(size_t most, const std::string& model, const std::function<bool()>& stops,
                              double now);

 private:
  bool looks(double now) const;
  void look_elsewhere();
  void take_note(size_t task, Claim claim);

  TaskPool pool_;
  Claims& claims_;
  std::function<void(const Task&)> recorded_, set_aside_;
  std::optional<double> looked_;  // when
  double found_ = 0;              // when a task was last taken, else the time of the first call
};

}  // namespace apportion
