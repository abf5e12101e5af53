// What a run may do next while others work in the same folder: its tasks (task_pool.h), and whose they are
// (folder/claims.h). On which ranks they run is scheduler.h's business.
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
  /// `recorded` is told of each task that is found done, `set_aside` of each that has failed too often.
  /// `claims` outlives this.
  OpenTasks(TaskPool pool, Claims& claims, std::function<void(const Task&)> recorded,
            std::function<void(const Task&)> set_aside);

  const TaskPool& pool() const { return pool_; }
  void set(size_t task, TaskState state) { pool_.set(task, state); }

  /// Whether there is anything to do or to wait for: with `waits` all that is elsewhere, else only what an
  /// earlier start of this run has.
  bool goes_on(bool waits) const;

  /// At most `most` ready tasks that are ours now, first those of the model that is loaded; fewer when
  /// `stops` says so meanwhile: of a run that goes on thousands may be done and are verified here. Looks at
  /// what is elsewhere first, but not at every call: `now` in seconds.
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
  double found_ = 0;              // when something was taken last, or the first time was
};

}  // namespace apportion
