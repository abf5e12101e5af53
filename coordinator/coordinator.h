// The side that decides: it gives tasks to groups of ranks, listens to them and has their results recorded.
// It knows ranks only by their messages. plan.h makes the tasks, open_tasks.h says which come next, and job.h
// does what surrounds a run (dataset, index, report).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/folder/claims.h"
#include "coordinator/group_run.h"
#include "coordinator/health.h"
#include "coordinator/leaving.h"
#include "coordinator/open_tasks.h"
#include "coordinator/recorder.h"
#include "coordinator/scheduler.h"
#include "coordinator/status.h"
#include "shared/link/link.h"

namespace apportion {

struct CoordinatorOptions {
  int ranks = 1;
  GroupOptions groups;
  double silence_limit_s = 0;  // a rank silent for longer ends the job; 0: one process, no heartbeats
  std::function<int()> interrupted = [] { return 0; };  // the signal that asked to stop, 0: none
  double stop_wait_s = 0;  // how long tasks at work may take to pause before all ranks are aborted
  const Restarts* restarts = nullptr;  // passed to leave_in_order
  bool goes_on = false;  // when a task fails whose rank worked alone; otherwise that failure ends the run
  std::vector<size_t> cells = {};  // the cell of each task; empty: all belong to one
  bool waits = true;               // for tasks that other runs have, when no others are left
  std::function<void(const Task&)> recorded = [](const Task&) {};  // called for each task whose result exists
};

/// A task that failed.
struct TaskFailure {
  Task task;
  std::string reason;
  int exit_code;
};

class Coordinator {
 public:
  /// `states` says which of `tasks` (each after its inputs) are already done. All references must outlive
  /// this object.
  Coordinator(Link& link, const Recorder& recorder, Claims& claims, Status& status, TaskList tasks,
              const std::vector<TaskState>& states, const CoordinatorOptions& options);

  /// Returns the failures once every task is done and recorded, except those that failed and those that wait
  /// for them. Throws Error with the job's exit code when a rank failed or fell silent; results recorded by
  /// then stay. After a signal it throws LeftInOrder once all groups have paused or finished, or Error with
  /// the same exit code if they have not within stop_wait_s.
  std::vector<TaskFailure> run();

 private:
  void assign();
  size_t smallest_group(int idle) const;
  void listen();
  void handle(int from, Message message);
  void handle_failure(int from, const Failed& failed);
  void end_part(int rank);
  void finish(GroupRun& group);
  void end_group(int group_tag, TaskState state);
  void check_interrupt();
  void check_silence();
  GroupRun& group_of(int rank, const std::string& task_id);

  struct Running {
    size_t task;
    GroupRun run;
  };

  Link& link_;
  const Recorder& recorder_;
  Claims& claims_;
  Status& status_;
  const CoordinatorOptions options_;
  OpenTasks tasks_;
  Health health_;
  std::map<int, Running> groups_;  // by group tag
  std::vector<int> tag_of_rank_;   // 0: idle
  std::vector<TaskFailure> failures_;
  std::string model_;  // of the last task that was assigned
  int last_tag_ = 0;
  std::optional<double> stop_asked_;  // when
  std::string paused_;                // where tasks were left
};

}  // namespace apportion
