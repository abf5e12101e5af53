// The side that decides: gives tasks to groups of ranks, listens to them, has results recorded. It knows
// ranks by their messages only. Which tasks there are is plan.h's business, which come next open_tasks.h's;
// what surrounds a run (dataset, index, report) is job.h's.
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
  double silence_limit_s =
      0;  // a rank that was not heard for so long ends the job; 0: one process, no heartbeats
  std::function<int()> interrupted = [] { return 0; };  // the signal that asks to stop, 0: none
  double stop_wait_s = 0;              // tasks at work have so long to pause; then all ranks are aborted
  const Restarts* restarts = nullptr;  // of leave_in_order
  bool goes_on = false;  // past a task that failed on a rank that was alone at it; else that ends the run
  std::vector<size_t> cells = {};  // of each task; empty: all of one
  bool waits = true;               // for tasks that are elsewhere, when there are no others
  std::function<void(const Task&)> recorded = [](const Task&) {};  // told of each whose result is there
};

/// A task that came to nothing.
struct TaskFailure {
  Task task;
  std::string reason;
  int exit_code;
};

class Coordinator {
 public:
  /// `states` says which of `tasks` (each after its inputs) are done already. References outlive this.
  Coordinator(Link& link, const Recorder& recorder, Claims& claims, Status& status, TaskList tasks,
              const std::vector<TaskState>& states, const CoordinatorOptions& options);

  /// Returns when every task is done and recorded, but for those that failed and those that wait for them:
  /// the failures. Throws Error with the exit code of the job when a rank failed or fell silent; what is
  /// recorded by then stays. When a signal came: LeftInOrder once all groups have paused or finished, Error
  /// with the same exit code when they have not within stop_wait_s.
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
  std::string model_;  // of the last task that was given
  int last_tag_ = 0;
  std::optional<double> stop_asked_;  // when
  std::string paused_;                // where tasks were left
};

}  // namespace apportion
